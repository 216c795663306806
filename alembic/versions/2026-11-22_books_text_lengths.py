"""Give title and author types with a length: the limits of the forms and of the API."""

from alembic import op

revision: str = "books_text_lengths"
down_revision: str | None = "books_enforce"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """One statement, so that PostgreSQL scans the rows once. On SQLite, books_repair did it."""
    _set_types("varchar(500)", "varchar(300)")


def downgrade() -> None:
    """Loses nothing."""
    _set_types("varchar", "varchar")


def _set_types(title: str, author: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE books ALTER title TYPE {title}, ALTER author TYPE {author}")
