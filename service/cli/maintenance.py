"""Database connections for the operator's commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.config import Settings
from service.config.database_url import DatabaseSettings
from service.db.failure_texts import explain
from service.migrations import SchemaError, current_revision, head
from service.migrations.connections import connect

CONNECT_WAIT = 5.0  # seconds for a database that is not up; short, as a person waits


@asynccontextmanager
async def connected(database: DatabaseSettings) -> AsyncIterator[AsyncConnection]:
    """Lend a connection outside of any transaction; its statements have no time-out.

    On SQLite, transactions on it only read, and foreign keys are not enforced. Raises SchemaError
    if there is no database, if it cannot be reached, or if it fails while the connection is in use.
    """
    if is_missing(database):
        raise SchemaError("the database file does not exist yet: run bin/migrate first")
    try:
        async with connect(database, CONNECT_WAIT) as connection:
            await connection.execution_options(reading=True)
            yield connection
    # asyncpg's own errors come from cursors, and from a connection that was lost.
    except (SQLAlchemyError, PostgresError, InterfaceError, OSError) as error:
        raise SchemaError(f"the database failed: {explain(error)}") from error


@asynccontextmanager
async def connect_at_head(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """Lend a connection that may write. Raises SchemaError for a database that is not at head."""
    async with connected(settings.database) as connection:
        await require_head(connection)
        await connection.rollback()
        await connection.execution_options(reading=False)
        yield connection


async def enforce_foreign_keys(connection: AsyncConnection) -> None:
    """Make SQLite enforce foreign keys on this connection, so that deleting an account cascades.

    Call this outside of a transaction: inside of one, SQLite ignores the PRAGMA.
    """
    if connection.dialect.name == "sqlite":
        raw = await connection.get_raw_connection()
        await cast("Any", raw.driver_connection).execute("PRAGMA foreign_keys=ON")


async def require_head(connection: AsyncConnection) -> None:
    """Raise SchemaError for a database at another revision than this release's models."""
    found = await current_revision(connection)
    if found != head():
        has = f"has the schema of revision {found}" if found else "has no schema"
        raise SchemaError(f"the database {has}, not of {head()}: run bin/migrate first")


def is_missing(database: DatabaseSettings) -> bool:
    """Return whether the database is a file of SQLite that does not exist."""
    return database.is_sqlite and not Path(database.name or "").exists()
