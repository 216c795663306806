"""The connection that an operator's command works on: to a database at head, or to none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.config import Settings
from service.config.database_url import DatabaseSettings
from service.db.explanations import explain
from service.migrations import SchemaError, current_revision, head
from service.migrations.connections import connect

CONNECT_WAIT = 5.0  # seconds for a database that is not up: somebody waits for the command


@asynccontextmanager
async def connected(database: DatabaseSettings) -> AsyncIterator[AsyncConnection]:
    """A connection outside of any transaction, without a limit on how long a statement runs.

    SQLite does not hold foreign keys on it, and is only read. Raises SchemaError where there is
    no database, or it cannot be reached or fails while the connection is in use.
    """
    if is_missing(database):
        raise SchemaError("there is no such database file yet: run bin/migrate first")
    try:
        async with connect(database, CONNECT_WAIT) as connection:
            await connection.execution_options(reading=True)
            yield connection
    # asyncpg's own errors come from cursors, and from a connection that was cut.
    except (SQLAlchemyError, PostgresError, InterfaceError, OSError) as error:
        raise SchemaError(f"the database failed: {explain(error)}") from error


@asynccontextmanager
async def connect_at_head(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """The same to a database at head, which may be written to. Raises SchemaError for another."""
    async with connected(settings.database) as connection:
        await require_head(connection)
        await connection.rollback()
        await connection.execution_options(reading=False)
        yield connection


async def require_head(connection: AsyncConnection) -> None:
    """Raises SchemaError for a database that this release's models do not fit."""
    found = await current_revision(connection)
    if found != head():
        has = f"has the schema of revision {found}" if found else "has no schema"
        raise SchemaError(f"the database {has}, not of {head()}: run bin/migrate first")


def is_missing(database: DatabaseSettings) -> bool:
    """Whether SQLite would have to make the file first."""
    return database.is_sqlite and not Path(database.name or "").exists()
