"""Number the changes of each list; each book has the number of its last change.

Safe beside the previous release, whose statements do not name the new columns. Its changes do not
increase the numbers.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "book_versions"
down_revision: str | None = "rate_limits"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """The default is constant, so neither database rewrites the table."""
    zero = sa.text("0")
    op.add_column(
        "users", sa.Column("books_revision", sa.Integer(), server_default=zero, nullable=False)
    )
    op.add_column("books", sa.Column("version", sa.Integer(), server_default=zero, nullable=False))


def downgrade() -> None:
    """Loses the numbers."""
    op.drop_column("books", "version")
    op.drop_column("users", "books_revision")
