"""What a book must be, for every row written from now on; older rows are looked at later.

In this order nothing can slip in between the repair of the old rows and the promise that there
are none. SQLite cannot hold a rule for new rows only: there books_repair does all of it at once.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "books_rules"
down_revision: str | None = "legacy_books"
branch_labels: None = None
depends_on: None = None

CHECKS = {
    "books_title_length_check": "length(title) BETWEEN 1 AND 500",
    "books_author_length_check": "length(author) BETWEEN 1 AND 300",
    "books_rating_range_check": "rating BETWEEN 1 AND 5",
    # Stands in for three NOT NULLs, which PostgreSQL before 18 cannot promise for new rows only.
    "books_required_check": "title IS NOT NULL AND author IS NOT NULL AND user_id IS NOT NULL",
}


def upgrade() -> None:
    """NOT VALID: no row is read, so the table is locked for a moment only."""
    if op.get_context().dialect.name == "postgresql":
        for name, condition in CHECKS.items():
            op.create_check_constraint(op.f(name), "books", condition, postgresql_not_valid=True)
        _set_on_delete("CASCADE", not_valid=True)


def downgrade() -> None:
    """Puts the original values and rows back from legacy_books, and empties it.

    A value that somebody has changed since the repair stays, and so does a deleted book away.
    """
    if op.get_context().dialect.name == "postgresql":
        _set_on_delete(None, not_valid=False)
        for name in CHECKS:
            op.drop_constraint(op.f(name), "books", type_="check")
    for statement in _restore():
        op.execute(sa.text(statement))


def _set_on_delete(action: str | None, *, not_valid: bool) -> None:
    """The foreign key anew: with the account its books go, without a query of ours."""
    name = op.f("books_user_id_fkey")
    op.drop_constraint(name, "books", type_="foreignkey")
    op.create_foreign_key(
        name,
        "books",
        "users",
        ["user_id"],
        ["id"],
        ondelete=action,
        postgresql_not_valid=not_valid or None,
    )


def _restore() -> tuple[str, ...]:
    """The reverse of books_repair. SQLite gives ids of deleted rows away again: such a row that
    was kept aside gets a new one."""
    wrong_rating = "old.rating NOT BETWEEN 1 AND 5"
    if op.get_context().dialect.name == "sqlite":
        wrong_rating = f"({wrong_rating} OR typeof(old.rating) = 'real')"
    values = "old.title, old.author, old.rating, old.user_id"
    orphans = "legacy_books AS old WHERE old.reason LIKE 'no_owner%'"
    taken = "EXISTS (SELECT 1 FROM books WHERE books.id = old.id)"
    return (
        f"""
        UPDATE books SET
          title = CASE WHEN {_was_repaired("title", "(untitled)", 500)}
                  THEN old.title ELSE books.title END,
          author = CASE WHEN {_was_repaired("author", "(unknown)", 300)}
                   THEN old.author ELSE books.author END,
          rating = CASE WHEN books.rating IS NULL AND {wrong_rating}
                   THEN old.rating ELSE books.rating END
        FROM legacy_books AS old WHERE old.id = books.id AND old.user_id = books.user_id
        """,
        f"INSERT INTO books (title, author, rating, user_id) SELECT {values} FROM {orphans}"
        f" AND {taken}",
        f"INSERT INTO books (id, title, author, rating, user_id) SELECT old.id, {values}"
        f" FROM {orphans} AND NOT {taken}",
        "DELETE FROM legacy_books",
    )


def _was_repaired(column: str, placeholder: str, limit: int) -> str:
    """Whether the present value is what books_repair made of the old one."""
    return (
        f"(old.{column} IS NULL OR length(old.{column}) = 0) AND books.{column} = '{placeholder}'"
        f" OR length(old.{column}) > {limit}"
        f" AND books.{column} = substr(old.{column}, 1, {limit})"
    )
