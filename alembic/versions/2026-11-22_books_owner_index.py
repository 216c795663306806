"""Add an index for an owner's books in order of id, which every list page reads."""

from alembic import op

revision: str = "books_owner_index"
down_revision: str | None = "books_times"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Not CONCURRENTLY: to index a million books takes less than a second."""
    op.create_index(op.f("books_user_id_id_idx"), "books", ["user_id", "id"])


def downgrade() -> None:
    """Loses nothing."""
    op.drop_index(op.f("books_user_id_id_idx"), "books")
