"""The transactions that read a dump and write a restore."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.cli.backup.tables import stored_tables
from service.cli.maintenance import connect_at_head, require_head
from service.config import Settings


@asynccontextmanager
async def snapshot(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """Lend a connection in a transaction that reads the data of one moment and cannot write.

    Readers and writers do not wait for it. A migration that changes a table does. Raises
    SchemaError if the database cannot be reached or is not at head.
    """
    options: dict[str, Any] = {"reading": True}
    if not settings.database.is_sqlite:
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    async with connect_at_head(settings) as connection:
        await connection.execution_options(**options)
        async with connection.begin():
            # Lock before the first SELECT: that statement takes the snapshot.
            await _lock(connection, "ACCESS SHARE")
            await require_head(connection)
            yield connection


@asynccontextmanager
async def rewriting(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """Lend a connection in a transaction that keeps other writers out.

    It is committed at the end of the block, or rolled back after an error. Raises SchemaError if
    the database cannot be reached, is in use or is not at head.
    """
    async with connect_at_head(settings) as connection, connection.begin():
        await _lock(connection, "SHARE ROW EXCLUSIVE")
        await require_head(connection)
        yield connection


async def _lock(connection: AsyncConnection, mode: str) -> None:
    """Lock all tables of a dump on PostgreSQL. On SQLite the transaction itself is the lock."""
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer.format_table
        names = ", ".join(quote(stored.table) for stored in stored_tables())
        await connection.execute(text(f"LOCK TABLE {names} IN {mode} MODE"))
