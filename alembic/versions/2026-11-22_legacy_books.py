"""Add a table for books that break the later rules: the whole row, and the reason."""

import sqlalchemy as sa
from alembic import op

revision: str = "legacy_books"
down_revision: str | None = "registered_on_utc"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Empty until books_repair fills it."""
    op.create_table(
        "legacy_books",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.String()),
        sa.Column("author", sa.String()),
        sa.Column("rating", sa.Integer()),
        sa.Column("user_id", sa.Integer()),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("legacy_books_pkey")),
    )


def downgrade() -> None:
    """Loses nothing: the downgrade of books_rules has restored the rows and emptied the table."""
    op.drop_table("legacy_books")
