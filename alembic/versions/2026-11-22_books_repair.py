"""Copy rows that break the rules to legacy_books, with the reasons, then change them to fit.

A book without an owner is deleted from books: nobody could see it. A rating out of range becomes
NULL, a missing title or author becomes a placeholder, and one that is too long is cut.
"""

import logging

import sqlalchemy as sa
from alembic import op

revision: str = "books_repair"
down_revision: str | None = "books_rules"
branch_labels: None = None
depends_on: None = None

logger = logging.getLogger("service.migrations.books_repair")


def upgrade() -> None:
    """Locks only the rows that break the rules. On SQLite the table is made anew with the rules."""
    sqlite = op.get_context().dialect.name == "sqlite"
    for statement in _repair(_problems(sqlite=sqlite)):
        op.execute(sa.text(statement))
    if not op.get_context().as_sql:
        _report(op.get_bind())
    if sqlite:
        _make_anew(_books(ruled=True))


def downgrade() -> None:
    """Loses nothing. The downgrade of books_rules restores the rows, when the rules are gone."""
    if op.get_context().dialect.name == "sqlite":
        _make_anew(_books(ruled=False))


def _problems(*, sqlite: bool) -> dict[str, str]:
    """Return the possible problems of a row: the reason in legacy_books, and its condition."""
    wrong_rating = "rating NOT BETWEEN 1 AND 5"
    if sqlite:  # its columns accept values of any type
        wrong_rating = f"({wrong_rating} OR typeof(rating) = 'real')"
    return {
        "no_owner": "NOT EXISTS (SELECT 1 FROM users WHERE users.id = books.user_id)",
        "rating_out_of_range": wrong_rating,
        "title_missing": "(title IS NULL OR length(title) = 0)",
        "title_too_long": "length(title) > 500",
        "author_missing": "(author IS NULL OR length(author) = 0)",
        "author_too_long": "length(author) > 300",
    }


def _repair(problems: dict[str, str]) -> tuple[str, ...]:
    broken = " OR ".join(problems.values())
    reasons = " || ".join(
        f"CASE WHEN {condition} THEN '{reason} ' ELSE '' END"
        for reason, condition in problems.items()
    )
    return (
        f"""
        INSERT INTO legacy_books (id, title, author, rating, user_id, reason)
        SELECT id, title, author, rating, user_id, trim({reasons}) FROM books
        WHERE {broken} ON CONFLICT (id) DO NOTHING
        """,
        f"DELETE FROM books WHERE {problems['no_owner']}",
        f"""
        UPDATE books SET
          title = CASE WHEN {problems["title_missing"]} THEN '(untitled)'
                  WHEN {problems["title_too_long"]} THEN substr(title, 1, 500) ELSE title END,
          author = CASE WHEN {problems["author_missing"]} THEN '(unknown)'
                   WHEN {problems["author_too_long"]} THEN substr(author, 1, 300) ELSE author END,
          rating = CASE WHEN {problems["rating_out_of_range"]} THEN NULL ELSE rating END
        WHERE {broken}
        """,
    )


def _report(connection: sa.Connection) -> None:
    kept = connection.execute(
        sa.text("SELECT reason, count(*) FROM legacy_books GROUP BY reason ORDER BY reason")
    )
    for reason, count in kept:
        logger.warning("%d books kept as they were in legacy_books: %s", count, reason)


def _make_anew(books: sa.Table) -> None:
    """Replace SQLite's table by a new one of this shape, with the same rows and name."""
    with op.batch_alter_table("books", copy_from=books, recreate="always"):
        pass


def _books(*, ruled: bool) -> sa.Table:
    checks = {
        "books_title_length_check": "length(title) BETWEEN 1 AND 500",
        "books_author_length_check": "length(author) BETWEEN 1 AND 300",
        "books_rating_range_check": "rating BETWEEN 1 AND 5",
    }
    return sa.Table(
        "books",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(500 if ruled else None), nullable=not ruled),
        sa.Column("author", sa.String(300 if ruled else None), nullable=not ruled),
        sa.Column("rating", sa.Integer()),
        sa.Column("user_id", sa.Integer(), nullable=not ruled),
        sa.PrimaryKeyConstraint("id", name="books_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name="books_user_id_fkey",
            ondelete="CASCADE" if ruled else None,
        ),
        *(sa.CheckConstraint(text, name=name) for name, text in checks.items() if ruled),
    )
