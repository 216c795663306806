"""Statements in a test's hands: run past the service, and watched on their way to the database."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from asyncpg.exceptions import IntegrityConstraintViolationError
from quart import Quart
from sqlalchemy import Executable, text
from sqlalchemy.exc import IntegrityError

from service import db
from service.config.database_url import parse_database_url
from service.db.postgresql import PostgreSQL
from service.db.statements import Connection, Statement
from service.models import metadata
from tests.servers import free_port

# The errors of a violated constraint, on both databases.
VIOLATIONS = (IntegrityConstraintViolationError, IntegrityError)

_TABLES = [table.name for table in reversed(metadata.sorted_tables)]  # references come first
# Empties every table of PostgreSQL, and begins to count anew. TRUNCATE makes new files, which takes
# 40 ms for our tables; DELETE of a few rows takes 2 ms. Like TRUNCATE it waits for whoever writes.
EMPTY = f"""
    DO $$ BEGIN
        LOCK TABLE {", ".join(_TABLES)} IN ACCESS EXCLUSIVE MODE;
        IF {" + ".join(f"pg_relation_size('{name}')" for name in _TABLES)} > 500000 THEN
            TRUNCATE {", ".join(_TABLES)} RESTART IDENTITY CASCADE;
        ELSE
            {" ".join(f"DELETE FROM {name};" for name in _TABLES)}
            PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
        END IF;
    END $$
"""


async def run(app: Quart, statement: Executable | str, **values: object) -> list[tuple[Any, ...]]:
    """Run a statement in a transaction of its own; returns its rows."""
    async with app.app_context(), db.transaction() as connection:
        return await run_on(connection, statement, **values)


async def run_on(
    connection: Connection, statement: Executable | str, **values: object
) -> list[tuple[Any, ...]]:
    """Run a statement on a connection; returns its rows."""
    clause = text(statement) if isinstance(statement, str) else statement
    return await Statement(clause, lambda *row: row).all(connection, **values)


@contextmanager
def observed(
    app: Quart, before: Callable[[str], None], after: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Call these with the text of each statement in the block, COMMIT included."""

    @contextmanager
    def observe(statement: str) -> Iterator[None]:
        if statement.startswith("BEGIN") or statement == "ROLLBACK":
            yield
            return
        before(statement)
        yield
        after(statement)

    pool = app.extensions["database"].pool
    earlier, pool.observer = pool.observer, observe
    try:
        yield
    finally:
        pool.observer = earlier


@asynccontextmanager
async def database_away(app: Quart) -> AsyncIterator[None]:
    """In the block nothing listens where the application looks for its database."""
    database = app.extensions["database"]
    url = f"postgresql://u:p@127.0.0.1:{free_port()}/db"
    pool = PostgreSQL(parse_database_url(url, root=Path("/")), 5, 5)
    await pool.open()
    earlier, database.pool = database.pool, pool
    try:
        yield
    finally:
        database.pool = earlier
        await pool.close()
