"""One owner's books by title: the other order in which programs may ask for them."""

from alembic import op

revision: str = "books_title_index"
down_revision: str | None = "book_versions"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """The longest title of the widest characters still fits into a page of the index."""
    op.create_index(op.f("books_user_id_title_id_idx"), "books", ["user_id", "title", "id"])


def downgrade() -> None:
    """Loses nothing."""
    op.drop_index(op.f("books_user_id_title_id_idx"), "books")
