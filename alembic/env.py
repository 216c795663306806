"""Alembic runs this file for every command; it chooses the database and the connection.

`service.migrations` passes a connection that holds the lock already. For Alembic's command line a
connection is opened here, under the same lock.
"""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection

from service.config import Settings
from service.migrations.connections import SESSION_SETTINGS, connect
from service.migrations.locks import exclusive
from service.migrations.revisions import log_step
from service.models import metadata

OPTIONS: dict[str, Any] = {
    "target_metadata": metadata,
    "render_as_batch": True,  # new revisions must work on SQLite, which can alter little in place
    "compare_type": True,
    # SQLite's DDL is transactional too, because connections.py sends BEGIN itself.
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
    """Run the command's migrations on this connection, each in a transaction of its own."""
    context.configure(connection=connection, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


async def run_locked(settings: Settings) -> None:
    """Run the command's migrations on a new connection, under the lock of `service.migrations`."""
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
