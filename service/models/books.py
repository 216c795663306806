"""Books that people have read."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base
from service.models.clock import DatabaseNow

TITLE_MAX_LENGTH = 500  # code points
AUTHOR_MAX_LENGTH = 300
RATING_MIN = 1
RATING_MAX = 5


class Book(Base):
    """A book on somebody's list."""

    __tablename__ = "books"
    __table_args__ = (
        CheckConstraint(f"length(title) BETWEEN 1 AND {TITLE_MAX_LENGTH}", name="title_length"),
        CheckConstraint(f"length(author) BETWEEN 1 AND {AUTHOR_MAX_LENGTH}", name="author_length"),
        CheckConstraint(f"rating BETWEEN {RATING_MIN} AND {RATING_MAX}", name="rating_range"),
        # Serves the list: one owner's books, newest first, from any place on.
        Index(None, "user_id", "id"),
        # The same by title.
        Index(None, "user_id", "title", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(TITLE_MAX_LENGTH))
    author: Mapped[str] = mapped_column(String(AUTHOR_MAX_LENGTH))
    rating: Mapped[int | None]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=DatabaseNow())
    updated_at: Mapped[datetime] = mapped_column(default=DatabaseNow(), onupdate=DatabaseNow())
    # The owner's books_revision when this book was last changed: never the same twice, even where
    # a restored database gives a deleted book's id to a new one.
    version: Mapped[int] = mapped_column(server_default=text("0"))


class LegacyBook(Base):
    """A row of the Flask application's list as it was, where ours could not take it as it was.

    Written by the migration that added the rules, read by operators; nothing is dropped silently.
    """

    __tablename__ = "legacy_books"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str | None] = mapped_column(String())
    author: Mapped[str | None] = mapped_column(String())
    rating: Mapped[int | None]
    user_id: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String())
