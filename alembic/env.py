"""What Alembic runs for every command: which database, and on which connection.

`service.migrations` hands its own connection over, which holds the lock already; the command line
gets one here, under the same lock.
"""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection

from service.config import Settings
from service.migrations.connections import SESSION_SETTINGS, connect
from service.migrations.locks import exclusive
from service.migrations.revisions import log_step
from service.models import Base

OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    "render_as_batch": True,  # a new revision is to work on both databases
    "compare_type": True,
    # SQLite's DDL is transactional too, as long as the driver leaves BEGIN to us (connections.py).
    "transactional_ddl": True,
    "transaction_per_migration": True,
    "on_version_apply": log_step,
}


def write_sql(settings: Settings) -> None:
    """Print the SQL of the migrations for the database of DATABASE_URL, without connecting."""
    context.configure(
        url=settings.database.url,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **OPTIONS,
    )
    if settings.database.is_sqlite:
        context.execute("PRAGMA foreign_keys = OFF")
    else:
        for name, value in SESSION_SETTINGS.items():
            context.execute(f"SET {name} = '{value}'")
    with context.begin_transaction():
        context.run_migrations()


def run(connection: Connection) -> None:
    """Do what the command asks for on this connection; each migration is one transaction."""
    context.configure(connection=connection, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


async def run_locked(settings: Settings) -> None:
    """The same on a connection of our own, when nobody else migrates."""
    async with connect(settings.database) as connection, exclusive(connection, settings.database):
        await connection.run_sync(run)


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    chosen: Settings = context.config.attributes.get("settings") or Settings.from_env()
    if context.is_offline_mode():
        write_sql(chosen)
    else:
        asyncio.run(run_locked(chosen))
