"""Connections to PostgreSQL, by asyncpg's own pool and without SQLAlchemy's engine."""

import asyncio
import sys
import time
from asyncio import CancelledError
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, cast
from weakref import WeakSet

import asyncpg
from asyncpg import Connection as Driver
from asyncpg.pool import Pool
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from service.config.database_url import DatabaseSettings
from service.db.connecting import explained, require_own_session
from service.db.failures import OUT_OF_STEP, NoFreeConnectionError
from service.db.statements import Observer, Row, Statement

# Longest wait for a free connection, then 503. With config.LOCK_TIMEOUT below 3 seconds, when a
# lock holds every connection. In one second a pool runs hundreds of statements: a request that
# waits longer has come to a database that is overloaded.
POOL_TIMEOUT = 1.0  # seconds
POOL_RECYCLE = 900.0  # seconds unused; shorter than the idle limits of proxies that we know of
IDLE_CHECK = 5.0  # seconds unused after which a connection is pinged before its next use
PING_TIMEOUT = 1.0  # seconds; leaves time to connect anew, and to run the statement
CLOSE_TIMEOUT = 1.0  # seconds


class PostgreSQL:
    """The pool of one process: at most `kept` and `overflow` connections together.

    asyncpg's pool makes, keeps and closes connections. This class adds a bound on waiting, a ping
    of connections that were idle for long, and connecting that goes on beside a request which has
    no time left for it.
    """

    dialect = "postgresql"

    def __init__(self, settings: DatabaseSettings, kept: int, overflow: int) -> None:
        self.kept = kept
        self.size = size = kept + overflow
        self.in_use = 0  # connections that are lent or being made
        self.observer: Observer | None = None
        self._settings = settings
        self._free = asyncio.Semaphore(size)
        self._idle: WeakSet[_Connection] = WeakSet()
        self._returning: set[asyncio.Future[None]] = set()  # asyncio does not keep its tasks
        self._has_own_session = False
        self._pool: Pool

    async def open(self) -> None:
        """Make the pool; it connects when a connection is first asked for."""
        self._pool = await asyncpg.create_pool(
            **connect_arguments(self._settings),
            min_size=0,
            max_size=self.size,
            max_queries=sys.maxsize,
            max_inactive_connection_lifetime=POOL_RECYCLE,
            connection_class=_Connection,
            connect=self._connect,
            setup=self._check,
            reset=self._note_idle,
        )

    async def close(self) -> None:
        """Close every connection."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._pool.close()
        except TimeoutError:  # a connection is in use, or the server does not answer
            self._pool.terminate()

    async def expire(self) -> None:
        """Make new connections from now on."""
        await self._pool.expire_connections()

    @asynccontextmanager
    async def connect(self, *, to_write: bool = False) -> AsyncIterator["AsyncpgConnection"]:  # noqa: ARG002
        """Lend a connection. Each statement commits by itself, except in a transaction.

        A connection is the same whether it is lent `to_write` or not. Raises
        NoFreeConnectionError after POOL_TIMEOUT, and the errors of connecting.
        """
        await self._wait_for_turn()
        driver = await self._acquire()
        try:
            yield AsyncpgConnection(driver, self.observer)
        finally:
            try:
                await self._pool.release(driver)
            finally:
                self._end_turn()

    async def _wait_for_turn(self) -> None:
        if self._free.locked():
            try:
                async with asyncio.timeout(POOL_TIMEOUT):
                    await self._free.acquire()
            except TimeoutError:
                raise NoFreeConnectionError from None
        else:
            await self._free.acquire()
        self.in_use += 1

    def _end_turn(self) -> None:
        self.in_use -= 1
        self._free.release()

    async def _acquire(self) -> Driver:
        if self._pool.get_idle_size():
            try:
                return await self._acquire_living()
            except BaseException:
                self._end_turn()
                raise
        # In a task of its own, because connecting may take longer than the request has: then the
        # connection is finished for others. Else a slow server would never be reached.
        acquiring = asyncio.ensure_future(self._acquire_living())
        try:
            return await asyncio.shield(acquiring)
        except asyncio.CancelledError:
            acquiring.add_done_callback(self._give_back)  # which ends the turn
            raise
        except BaseException:
            self._end_turn()
            raise

    async def _acquire_living(self) -> Driver:
        try:
            return cast(Driver, await self._pool.acquire())
        except _DeadConnectionError:  # every other idle connection was ended, too
            return cast(Driver, await self._pool.acquire())

    def _give_back(self, acquired: "asyncio.Future[Driver]") -> None:
        if acquired.cancelled() or acquired.exception() is not None:
            self._end_turn()
            return
        returning = asyncio.ensure_future(self._pool.release(acquired.result()))
        self._returning.add(returning)
        returning.add_done_callback(self._returning.discard)
        returning.add_done_callback(lambda _: self._end_turn())

    async def _connect(self, *_: object, **options: Any) -> Driver:
        with explained(options.get("host")):
            connection = await asyncpg.connect(**options)
            if not self._has_own_session:
                try:
                    await require_own_session(connection, lambda: asyncpg.connect(**options))
                except BaseException:
                    connection.terminate()
                    raise
                self._has_own_session = True
        return cast(Driver, connection)

    async def _note_idle(self, connection: "_Connection") -> None:
        connection.idle_since = time.monotonic()
        self._idle.add(connection)

    async def _check(self, connection: "_Connection") -> None:
        """Ping a connection that was idle for long. Raises _DeadConnectionError."""
        if time.monotonic() - connection.idle_since < IDLE_CHECK:
            return
        try:
            await connection.fetchrow(";", timeout=PING_TIMEOUT)  # type: ignore[no-untyped-call]
        except Exception as error:
            # The server was restarted, or is out of reach: the other idle connections are dead,
            # too. Closing them politely would wait for the server.
            for other in self._idle:
                other.terminate()  # type: ignore[no-untyped-call]
            raise _DeadConnectionError from error


class _DeadConnectionError(Exception):
    """A connection that was idle does not answer."""


class _Connection(Driver):
    """asyncpg's connection with the time, by time.monotonic(), at which it was last given back."""

    __slots__ = ("idle_since",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.idle_since = time.monotonic()


def connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the arguments of `asyncpg.connect`, without a time-out for each statement.

    `db.UNIT_TIMEOUT` bounds statements. asyncpg's own time-out takes 17 µs of each.
    """
    _, arguments = asyncpg_dialect().create_connect_args(settings.url)
    return {**arguments, **settings.connect_args, "command_timeout": None}


class AsyncpgConnection:
    """A connection that was lent by the pool."""

    dialect = "postgresql"

    def __init__(self, driver: Driver, observer: Observer | None = None) -> None:
        self._driver = driver
        self._observer = observer

    async def fetch(self, statement: Statement[Any], values: dict[str, object]) -> Sequence[Row]:
        """Run a statement, and return its rows. Raises PostgresError and asyncpg's other errors."""
        text, names, constants = statement.for_asyncpg
        ordered = [values[name] if name in values else constants[name] for name in names]
        try:
            if self._observer is None:
                return await self._driver.fetch(text, *ordered)
            with self._observer(text):
                return await self._driver.fetch(text, *ordered)
        except BaseException as error:
            self._end_if_spoilt(error)
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit at the end of the block; an error rolls everything back."""
        # Not asyncpg's own transaction: its ROLLBACK on a connection that was terminated raises
        # another error in place of the one that ended the block.
        await self._run("BEGIN")
        try:
            yield
        except BaseException:
            if not self._driver.is_closed():
                await self._run("ROLLBACK")
            raise
        if await self._run("COMMIT") != "COMMIT":
            raise RuntimeError("a statement of the transaction had failed: nothing was committed")

    async def _run(self, command: str) -> str:
        try:
            with self._observer(command) if self._observer else nullcontext():
                return str(await self._driver.execute(command))
        except BaseException as error:
            self._end_if_spoilt(error)
            raise

    def _end_if_spoilt(self, error: BaseException) -> None:
        # A statement that is given up is still under way. The next statement would wait for it.
        if isinstance(error, (*OUT_OF_STEP, CancelledError)) or self._driver.is_closed():
            self._driver.terminate()
