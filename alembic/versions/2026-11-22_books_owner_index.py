"""One owner's books in order: what every list page asks for."""

from alembic import op

revision: str = "books_owner_index"
down_revision: str | None = "books_times"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Not CONCURRENTLY: a million books are indexed in less time than a lock may take."""
    op.create_index(op.f("books_user_id_id_idx"), "books", ["user_id", "id"])


def downgrade() -> None:
    """Loses nothing."""
    op.drop_index(op.f("books_user_id_id_idx"), "books")
