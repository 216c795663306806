"""The connection for migrations: own time-outs, and a wait for a database that is not up yet."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.pool import NullPool

from service.config.database_url import DatabaseSettings
from service.db.connecting import watch_connecting
from service.db.failure_texts import explain
from service.db.failures import Meaning, meaning_of
from service.migrations.revisions import SchemaError, WrongSettingError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

logger = logging.getLogger(__name__)

CONNECT_WAIT = 60.0  # seconds
LONGEST_PAUSE = 2.0  # seconds between two attempts
SQLITE_BUSY_TIMEOUT = 1_000  # milliseconds to wait for another writer
# While an ALTER TABLE waits for its lock, all later statements on the table wait behind it. So it
# gives up before they do (LOCK_TIMEOUT in service.config), and is tried again later.
SESSION_SETTINGS = {
    "lock_timeout": "1s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


@asynccontextmanager
async def connect(
    database: DatabaseSettings, wait: float = CONNECT_WAIT
) -> AsyncIterator["AsyncConnection"]:
    """Lend a connection for migrations, with an engine of its own that is closed at the end.

    Waits up to `wait` seconds for a database that is not up yet. Raises SchemaError after that, and
    at once for an error that waiting cannot solve (WrongSettingError if a setting is wrong).
    """
    engine = _engine(database)
    try:
        connection = await _connected(engine, wait)
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await engine.dispose()


def _engine(database: DatabaseSettings) -> "AsyncEngine":
    from sqlalchemy.ext.asyncio import create_async_engine  # imports the ORM, too

    connect_args = database.migration_connect_args
    if not database.is_sqlite:
        given: Any = connect_args.get("server_settings", {})
        connect_args["server_settings"] = {**given, **SESSION_SETTINGS}
    engine = create_async_engine(
        database.url, connect_args=connect_args, poolclass=NullPool, hide_parameters=True
    )
    watch_connecting(engine)
    if database.is_sqlite:
        _prepare_sqlite(engine)
    return engine


def _prepare_sqlite(engine: "AsyncEngine") -> None:
    """Include DDL in transactions, and switch foreign keys off.

    A migration replaces a table by an altered copy. With foreign keys on, dropping the old table
    would delete every row that refers to it.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # Otherwise the driver begins a transaction before INSERT, UPDATE and DELETE only.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # A transaction that reads and then writes may fail at once after a plain BEGIN.
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


async def _connected(engine: "AsyncEngine", wait: float) -> "AsyncConnection":
    deadline = time.monotonic() + wait
    pause = 0.2
    while True:
        left = deadline - time.monotonic()
        try:
            async with asyncio.timeout(max(left, 1.0)):
                return await engine.connect()
        except Exception as error:
            _require_passing(error)
            if left <= pause:
                raise SchemaError(
                    f"the database did not answer for {wait:g} seconds: {explain(error)}"
                ) from error
            logger.warning("schema: waiting for the database: %s", explain(error))
        # Jitter, so that several instances that start together do not connect at the same moment.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, LONGEST_PAUSE)


def _require_passing(error: Exception) -> None:
    """Raise SchemaError, or an unknown error again, if waiting cannot solve the problem."""
    meaning = meaning_of(error)
    if meaning is Meaning.SETTING:
        raise WrongSettingError(f"the connection cannot be made: {explain(error)}") from error
    if meaning is Meaning.REFUSED:
        raise SchemaError(f"the database refuses us: {explain(error)}") from error
    if meaning is Meaning.OURS:
        raise error
