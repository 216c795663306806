"""Add the times when a book was added and last changed; older rows get the present time."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision: str = "books_times"
down_revision: str | None = "books_text_lengths"
branch_labels: None = None
depends_on: None = None

# Defaults of the database, because the previous release does not write these columns.
NOW = {
    "postgresql": "now()",
    "sqlite": "(datetime('now') || '.000000')",
}
NAMES = ("created_at", "updated_at")


def upgrade() -> None:
    """PostgreSQL stores the time of older rows once, in its catalogue, and rewrites no row."""
    with op.batch_alter_table("books", copy_from=_books()) as books:
        for column in _columns():
            books.add_column(column)


def downgrade() -> None:
    """Loses both times."""
    with op.batch_alter_table("books", copy_from=_books(*_columns())) as books:
        for name in NAMES:
            books.drop_column(name)


def _columns() -> list[sa.Column[datetime]]:
    now = sa.text(NOW[op.get_context().dialect.name])
    return [
        sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=now)
        for name in NAMES
    ]


def _books(*more: sa.Column[datetime]) -> sa.Table:
    """Return the table for SQLite to copy: it cannot add a column whose default is not constant."""
    return sa.Table(
        "books",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("author", sa.String(300), nullable=False),
        sa.Column("rating", sa.Integer()),
        sa.Column("user_id", sa.Integer(), nullable=False),
        *more,
        sa.PrimaryKeyConstraint("id", name="books_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="books_user_id_fkey", ondelete="CASCADE"
        ),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 500", name="books_title_length_check"),
        sa.CheckConstraint("length(author) BETWEEN 1 AND 300", name="books_author_length_check"),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name="books_rating_range_check"),
    )
