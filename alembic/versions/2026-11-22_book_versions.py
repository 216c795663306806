"""Each change of a list has a number, and each book that of its last change.

Safe beside the previous release, whose statements do not name the new columns: what it changes
meanwhile keeps its number.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "book_versions"
down_revision: str | None = "rate_limits"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """With a constant default neither database rewrites the table."""
    zero = sa.text("0")
    op.add_column(
        "users", sa.Column("books_revision", sa.Integer(), server_default=zero, nullable=False)
    )
    op.add_column("books", sa.Column("version", sa.Integer(), server_default=zero, nullable=False))


def downgrade() -> None:
    """Forgets the numbers."""
    op.drop_column("books", "version")
    op.drop_column("users", "books_revision")
