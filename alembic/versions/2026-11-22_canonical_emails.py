"""Change every address that is pure ASCII to lower case, the form of new accounts (decision 7).

Addresses with other letters stay as they are: their lower case depends on the database and on the
language. If several accounts differ in case only, one gets the canonical form: the account that has
it already, else the oldest. The others stay as they are.
"""

import logging

import sqlalchemy as sa
from alembic import op

revision: str = "canonical_emails"
down_revision: str | None = "password_hash_width"
branch_labels: None = None
depends_on: None = None

logger = logging.getLogger("service.migrations.canonical_emails")

# Rows of one batch are compared in pairs, and with all other rows by the unique index.
BATCH = 250
BATCH_END = sa.text(
    "SELECT max(id) FROM (SELECT id FROM users WHERE id > :after ORDER BY id LIMIT :size) AS batch"
)
LARGEST_ID = 2**31 - 1

# The collation "C" and SQLite's lower() change ASCII letters only, so the rules of Turkish for I do
# not apply. The outer collation is that of the unique index: otherwise the index could not be used.
LOWER = {"postgresql": '(lower({} COLLATE "C") COLLATE "default")', "sqlite": "lower({})"}
IS_ASCII = {
    "postgresql": "octet_length({0}) = length({0})",
    "sqlite": "length(CAST({0} AS BLOB)) = length({0})",
}


def upgrade() -> None:
    """On PostgreSQL each batch is committed by itself; a repeated batch changes nothing."""
    context = op.get_context()
    if context.as_sql:
        op.execute(_lower_case().bindparams(after=0, upto=LARGEST_ID))
    elif context.dialect.name == "postgresql":
        with context.autocommit_block():
            _in_batches(op.get_bind())
    else:
        _in_batches(op.get_bind())


def downgrade() -> None:
    """Does nothing: the earlier spelling of an address is not stored."""


def _in_batches(connection: sa.Connection) -> None:
    after, changed = 0, 0
    while upto := connection.scalar(BATCH_END, {"after": after, "size": BATCH}):
        changed += connection.execute(_lower_case(), {"after": after, "upto": upto}).rowcount
        after = upto
    left = connection.scalar(sa.text(f"SELECT count(*) FROM users WHERE {_is_mixed('email')}"))
    logger.info("%d addresses put in lower case, %d left: another account has them", changed, left)


def _lower_case() -> sa.TextClause:
    """Return the statement of one batch, for the ids above `after` up to `upto`."""
    canonical = _lower("users.email")
    return sa.text(
        f"""
        UPDATE users SET email = {canonical}
        WHERE id > :after AND id <= :upto AND {_is_mixed("users.email")}
        AND NOT EXISTS (SELECT 1 FROM users AS other WHERE other.email = {canonical})
        AND NOT EXISTS (SELECT 1 FROM users AS other
                        WHERE other.id > :after AND other.id < users.id
                        AND {_lower("other.email")} = {canonical})
        """
    )


def _lower(column: str) -> str:
    return LOWER[op.get_context().dialect.name].format(column)


def _is_mixed(column: str) -> str:
    is_ascii = IS_ASCII[op.get_context().dialect.name].format(column)
    return f"{is_ascii} AND {column} <> {_lower(column)}"
