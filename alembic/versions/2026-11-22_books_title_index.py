"""Add an index for an owner's books in order of title, the second order that the API offers."""

from alembic import op

revision: str = "books_title_index"
down_revision: str | None = "book_versions"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """The longest title, 500 characters of four bytes, fits into an entry of the index."""
    op.create_index(op.f("books_user_id_title_id_idx"), "books", ["user_id", "title", "id"])


def downgrade() -> None:
    """Loses nothing."""
    op.drop_index(op.f("books_user_id_title_id_idx"), "books")
