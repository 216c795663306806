"""What the pool is told of its connections: to make them, to check them, and to let go of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, cast

from asyncpg import Connection as Driver
from sqlalchemy import AsyncAdaptedQueuePool, QueuePool, event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import greenlet_spawn, in_greenlet

from service.db.failures import OUT_OF_STEP, driver_error
from service.db.reads import is_spoilt

IDLE_CHECK = 5.0  # seconds unused after which a connection is pinged before it is used again
PING_TIMEOUT = 1.0  # seconds; leaves time to connect anew, and to be served
SQLITE_BUSY_TIMEOUT = 3_000  # milliseconds to wait for another writer; below db.UNIT_TIMEOUT

_closing: set["asyncio.Future[None]"] = set()  # asyncio itself does not keep its tasks


class ReadyPool(AsyncAdaptedQueuePool):
    """A pool that can be asked outside of SQLAlchemy's greenlets, for what lies ready.

    Nothing is waited for then, and on Python 3.11 and later each greenlet maps memory of its own.
    """

    _sqla_logger_namespace = "sqlalchemy.pool.ReadyPool"  # what it logs is not the service's

    def _do_get(self) -> ConnectionPoolEntry:
        record = super()._do_get()
        if not in_greenlet() and not self._is_ready(record):
            self._do_return_conn(record)
            raise NotReadyError
        return record

    def lend(self) -> ConnectionPoolEntry | None:
        """One that lies ready, for who asks no statement through SQLAlchemy; else None.

        For that, `connect()` does nothing but take its time.
        """
        record = super()._do_get() if self.checkedin() else None
        if record is None or self._is_ready(record):
            return record
        self._do_return_conn(record)
        return None

    def take_back(self, record: ConnectionPoolEntry) -> None:
        """What was lent, as good as it was or invalidated."""
        note_idle(record)
        self._do_return_conn(record)

    def has_room(self) -> bool:
        """Whether it keeps one more that is given back: any other has to be closed."""
        return self.checkedin() < self.size()

    def _is_ready(self, record: Any) -> bool:
        """Whether it is one that neither the pool connects anew nor `watch_connections` pings."""
        return (
            record.dbapi_connection is not None
            and not record.driver_connection.is_closed()
            and time.monotonic() - record.info.get("idle_since", 0) < IDLE_CHECK
            and time.time() - record.starttime < self._recycle
            and record.starttime > self._invalidate_time
        )


def note_idle(record: Any) -> None:
    """From now on nobody uses this connection."""
    record.info["idle_since"] = time.monotonic()


class NotReadyError(Exception):
    """The next connection has to be looked at, or made, first."""


def connected(engine: AsyncEngine) -> AbstractAsyncContextManager[AsyncConnection]:
    """A connection for the block; without a task of its own where one lies ready."""
    pool = cast(QueuePool, engine.sync_engine.pool)
    if not pool.checkedin():
        return _connected_apart(engine)
    return _Connected(engine, pool) if isinstance(pool, ReadyPool) else engine.connect()


class _Connected:
    """`AsyncEngine.connect()`, without a greenlet for each end and a task for the second one.

    Most blocks read: taking their connection costs as much as a statement the ordinary way.
    """

    def __init__(self, engine: AsyncEngine, pool: ReadyPool) -> None:
        self.engine = engine
        self.pool = pool
        self.connection: AsyncConnection

    async def __aenter__(self) -> AsyncConnection:
        try:
            self.connection = AsyncConnection(self.engine, self.engine.sync_engine.connect())
        except NotReadyError:
            self.connection = await self.engine.connect()
        return self.connection

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        connection = self.connection.sync_connection
        if error is None and connection is not None and self.pool.has_room():
            connection.close()  # nothing is left to be rolled back
        else:
            await self.connection.__aexit__(kind, error, trace)


class Borrowed:
    """asyncpg's own connection for the block, where one lies ready; else None.

    What SQLAlchemy puts around it takes longer than the statements that are asked most.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine.sync_engine
        self.pool = self.engine.pool
        self.lent: ConnectionPoolEntry | None = None

    async def __aenter__(self) -> Driver | None:
        # Whoever listens for statements, to trace or to count them, would not hear of these.
        if isinstance(self.pool, ReadyPool) and not self.engine.dispatch.before_cursor_execute:
            self.lent = self.pool.lend()
        return None if self.lent is None else cast(Driver, self.lent.driver_connection)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.lent is None:
            return
        pool, driver = cast(ReadyPool, self.pool), cast(Driver, self.lent.driver_connection)
        if error is not None and is_spoilt(driver, error):
            self.lent.invalidate(error)
        if pool.has_room():
            pool.take_back(self.lent)
        else:
            await asyncio.shield(greenlet_spawn(pool.take_back, self.lent))


@asynccontextmanager
async def _connected_apart(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that probably has to be made; it is finished for others when time is up.

    Else a server to which connecting takes longer than anybody waits would never be reached.
    """
    task = asyncio.ensure_future(_start(engine))
    try:
        connection = await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_give_back)
        raise
    try:
        yield connection
    finally:
        await asyncio.shield(connection.close())


async def _start(engine: AsyncEngine) -> AsyncConnection:
    return await engine.connect()


def _give_back(task: "asyncio.Future[AsyncConnection]") -> None:
    if not task.cancelled() and task.exception() is None:
        closing = asyncio.ensure_future(task.result().close())
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


def watch_connections(engine: AsyncEngine) -> None:
    """Hand out no connection to PostgreSQL that is known to be dead, and wait for none that is.

    The pool's own `pre_ping` asks the server every time: a round trip for each of the two that a
    page needs. What asyncpg has noticed by itself costs nothing to ask.
    """
    pool = engine.sync_engine.pool
    broken_at = 0.0

    @event.listens_for(pool, "checkin")
    def returned(_connection: Any, record: Any) -> None:
        note_idle(record)

    @event.listens_for(pool, "checkout")
    def check(connection: Any, record: Any, _fairy: Any) -> None:
        driver = connection.driver_connection
        if driver.is_closed():
            # The pool connects anew, but not for ever: one closed as soon as it was made is ours.
            raise DisconnectionError if "idle_since" in record.info else ConnectionError
        now = time.monotonic()
        if now - record.info.get("idle_since", now) < IDLE_CHECK:
            return
        try:
            await_only(driver.fetchrow(";", timeout=PING_TIMEOUT))
        except Exception as error:
            # It takes the others of its age with it: the server was restarted, or is out of reach.
            raise InvalidatePoolError from error
        except BaseException:
            driver.terminate()  # the pool would take it back with the ping still under way
            raise

    @event.listens_for(pool, "invalidate")
    def abandon(connection: Any, _record: Any, _error: Any) -> None:
        # Closing politely waits seconds for a server that may not be there.
        nonlocal broken_at
        broken_at = time.time()
        connection.driver_connection.terminate()

    @event.listens_for(pool, "close")
    def leave(connection: Any, record: Any) -> None:
        if record.starttime < broken_at:
            connection.driver_connection.terminate()

    @event.listens_for(engine.sync_engine, "handle_error")
    def give_up(context: Any) -> None:
        if isinstance(driver_error(context.original_exception), OUT_OF_STEP):
            context.is_disconnect = True


def prepare_sqlite(engine: AsyncEngine) -> None:
    """Readers beside one writer, foreign keys held, and write transactions that queue up."""
    from sqlite3 import OperationalError

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        # The mode stays in the file, and is not to be had while somebody has it open: two workers
        # that start on a new one together. Then it is the next connection's to ask for again;
        # without it all works, but that readers wait for a writer.
        cursor.execute("PRAGMA busy_timeout=0")
        with suppress(OperationalError):
            cursor.execute("PRAGMA journal_mode=WAL")
        for pragma in (
            f"busy_timeout={SQLITE_BUSY_TIMEOUT}",  # first: the others may have to wait
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # A deferred BEGIN that writes after it has read fails at once when another wrote
        # meanwhile, whatever the busy time-out: ask for the write lock at the start.
        if "isolation_level" in connection.get_execution_options():  # the writer's
            connection.exec_driver_sql("BEGIN IMMEDIATE")
