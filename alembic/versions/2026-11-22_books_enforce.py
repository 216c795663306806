"""Validate the rules of books_rules for all rows.

PostgreSQL only: on SQLite, books_repair has added the rules for all rows.
"""

from alembic import op

revision: str = "books_enforce"
down_revision: str | None = "books_repair"
branch_labels: None = None
depends_on: None = None

CHECKS = {
    "books_title_length_check": "length(title) BETWEEN 1 AND 500",
    "books_author_length_check": "length(author) BETWEEN 1 AND 300",
    "books_rating_range_check": "rating BETWEEN 1 AND 5",
    "books_required_check": "title IS NOT NULL AND author IS NOT NULL AND user_id IS NOT NULL",
}
OWNER = "books_user_id_fkey"


def upgrade() -> None:
    """Others can read and write during VALIDATE; after it, SET NOT NULL does not scan the rows."""
    if op.get_context().dialect.name != "postgresql":
        return
    for name in (*CHECKS, OWNER):
        op.execute(f"ALTER TABLE books VALIDATE CONSTRAINT {name}")
    op.execute(
        "ALTER TABLE books ALTER title SET NOT NULL, ALTER author SET NOT NULL,"
        " ALTER user_id SET NOT NULL, DROP CONSTRAINT books_required_check"
    )


def downgrade() -> None:
    """Loses nothing. No constraint can become NOT VALID again, so each is dropped and added."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(
        "ALTER TABLE books ALTER title DROP NOT NULL, ALTER author DROP NOT NULL,"
        " ALTER user_id DROP NOT NULL"
    )
    for name, condition in CHECKS.items():
        if name != "books_required_check":
            op.drop_constraint(op.f(name), "books", type_="check")
        op.create_check_constraint(op.f(name), "books", condition, postgresql_not_valid=True)
    op.drop_constraint(op.f(OWNER), "books", type_="foreignkey")
    op.create_foreign_key(
        op.f(OWNER),
        "books",
        "users",
        ["user_id"],
        ["id"],
        ondelete="CASCADE",
        postgresql_not_valid=True,
    )
