"""The one transaction that a dump is read in, and the one that a restore is written in."""

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
    """A connection that sees one moment's data, and cannot write; nobody waits for it.

    Raises SchemaError where the database is away or not at head. A migration that would change
    a table waits until the end.
    """
    options: dict[str, Any] = {"reading": True}
    if not settings.database.is_sqlite:
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    async with connect_at_head(settings) as connection:
        await connection.execution_options(**options)
        async with connection.begin():
            # Before the first SELECT, which is what the moment is that of.
            await _lock(connection, "ACCESS SHARE")
            await require_head(connection)
            yield connection


@asynccontextmanager
async def rewriting(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """A connection that alone may write, in one transaction: all of it is kept, or nothing.

    Raises SchemaError where the database is away, in use or not at head.
    """
    async with connect_at_head(settings) as connection, connection.begin():
        await _lock(connection, "SHARE ROW EXCLUSIVE")
        await require_head(connection)
        yield connection


async def _lock(connection: AsyncConnection, mode: str) -> None:
    """PostgreSQL's; on SQLite the transaction itself is one."""
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer.format_table
        names = ", ".join(quote(stored.table) for stored in stored_tables())
        await connection.execute(text(f"LOCK TABLE {names} IN {mode} MODE"))
