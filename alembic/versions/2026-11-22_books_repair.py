"""Old rows that break the rules: copied to legacy_books whole, with the reasons, then made to fit.

A book without an owner, which nobody could see, moves there for good. A rating out of range
becomes none, a missing title or author a placeholder, one that is too long is cut.
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
    """Locks no row but the broken ones; SQLite's table is made anew with all of the rules."""
    sqlite = op.get_context().dialect.name == "sqlite"
    for statement in _repair(_problems(sqlite=sqlite)):
        op.execute(sa.text(statement))
    if not op.get_context().as_sql:
        _report(op.get_bind())
    if sqlite:
        _make_anew(_books(ruled=True))


def downgrade() -> None:
    """The rows themselves are put back below books_rules, where no rule is in their way."""
    if op.get_context().dialect.name == "sqlite":
        _make_anew(_books(ruled=False))


def _problems(*, sqlite: bool) -> dict[str, str]:
    """What may be wrong with a row: the reason as legacy_books names it, and its condition."""
    wrong_rating = "rating NOT BETWEEN 1 AND 5"
    if sqlite:  # whose columns take values of any type
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
    """SQLite only: a new table of this shape, the rows copied into it, under the old name."""
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
