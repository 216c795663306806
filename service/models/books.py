"""Books that people have read."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, text

from service.models.base import UtcDateTime, metadata
from service.models.clock import DatabaseNow

TITLE_MAX_LENGTH = 500  # code points
AUTHOR_MAX_LENGTH = 300
RATING_MIN = 1
RATING_MAX = 5

# A book on somebody's list.
books_table = Table(
    "books",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", String(TITLE_MAX_LENGTH), nullable=False),
    Column("author", String(AUTHOR_MAX_LENGTH), nullable=False),
    Column("rating", Integer),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False, default=DatabaseNow()),
    Column(
        "updated_at", UtcDateTime, nullable=False, default=DatabaseNow(), onupdate=DatabaseNow()
    ),
    # The owner's books_revision when this book was last changed: never the same twice, even where
    # a restored database gives a deleted book's id to a new one.
    Column("version", Integer, nullable=False, server_default=text("0")),
    CheckConstraint(f"length(title) BETWEEN 1 AND {TITLE_MAX_LENGTH}", name="title_length"),
    CheckConstraint(f"length(author) BETWEEN 1 AND {AUTHOR_MAX_LENGTH}", name="author_length"),
    CheckConstraint(f"rating BETWEEN {RATING_MIN} AND {RATING_MAX}", name="rating_range"),
    # Serves the list: one owner's books, newest first, from any place on.
    Index(None, "user_id", "id"),
    # The same by title.
    Index(None, "user_id", "title", "id"),
)

# A row of the Flask application's list as it was, where ours could not take it as it was. Written
# by the migration that added the rules, read by operators; nothing is dropped silently.
legacy_books_table = Table(
    "legacy_books",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("title", String),
    Column("author", String),
    Column("rating", Integer),
    Column("user_id", Integer),
    Column("reason", String, nullable=False),
)
