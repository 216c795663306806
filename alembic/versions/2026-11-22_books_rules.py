"""Add the rules of books for every row that is written from now on; older rows come later.

Because the rules come first, no new row can break them between books_repair, which changes the old
rows, and books_enforce, which validates all rows. SQLite has no rules for new rows only: there,
books_repair adds the rules and changes the rows in one transaction.
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
    # Replaces three NOT NULL constraints, which PostgreSQL before 18 cannot have for new rows only.
    "books_required_check": "title IS NOT NULL AND author IS NOT NULL AND user_id IS NOT NULL",
}


def upgrade() -> None:
    """NOT VALID reads no row, so the table is locked for a moment only."""
    if op.get_context().dialect.name == "postgresql":
        for name, condition in CHECKS.items():
            op.create_check_constraint(op.f(name), "books", condition, postgresql_not_valid=True)
        _set_on_delete("CASCADE", not_valid=True)


def downgrade() -> None:
    """Restores the original values and rows from legacy_books, and empties it.

    A value that its owner has changed since the repair stays. A book that its owner has deleted
    stays deleted.
    """
    if op.get_context().dialect.name == "postgresql":
        _set_on_delete(None, not_valid=False)
        for name in CHECKS:
            op.drop_constraint(op.f(name), "books", type_="check")
    for statement in _restore():
        op.execute(sa.text(statement))


def _set_on_delete(action: str | None, *, not_valid: bool) -> None:
    """Replace the foreign key. With CASCADE, the database deletes an account's books itself."""
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
    """Return the statements that undo books_repair.

    SQLite may have given the id of a row in legacy_books to a new book: such a row gets a new id.
    """
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
    """Return the condition that the present value is the one that books_repair wrote."""
    return (
        f"(old.{column} IS NULL OR length(old.{column}) = 0) AND books.{column} = '{placeholder}'"
        f" OR length(old.{column}) > {limit}"
        f" AND books.{column} = substr(old.{column}, 1, {limit})"
    )
