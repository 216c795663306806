"""Connections to PostgreSQL, of asyncpg and without SQLAlchemy's engine."""

import asyncio
import time
from asyncio import CancelledError
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from service.config.database_url import DatabaseSettings
from service.db.connecting import explained, require_own_session
from service.db.connection_queue import ConnectionQueue
from service.db.failures import is_out_of_step, sqlstate
from service.db.statements import Observer, Row, Statement

POOL_RECYCLE = 900.0  # seconds of life; shorter than the idle limits of proxies that we know of
OVERFLOW_RECYCLE = 30.0  # seconds unused, for connections beyond those that are kept
IDLE_CHECK = 5.0  # seconds unused after which a connection is pinged before its next use
PING_TIMEOUT = 1.0  # seconds; leaves time to connect anew, and to run the statement
CLOSE_TIMEOUT = 1.0  # seconds
# The level is named, because the role, the database or `options` may have another default.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
READ_ONLY = "25006"  # the SQLSTATE of a standby, or of a server that was one's primary


class PostgreSQL:
    """The connections of one process: at most `kept` and `overflow` of them together.

    Of asyncpg's public interface alone. Its own pool takes 80 µs to lend a connection and to take
    it back, a third of an answer to a program that polls: see decision 21.
    """

    dialect = "postgresql"

    def __init__(self, settings: DatabaseSettings, kept: int, overflow: int) -> None:
        self.kept = kept
        self.queue = ConnectionQueue(kept + overflow)  # of connections that are lent or being made
        self.observer: Observer | None = None
        self._arguments = connect_arguments(settings)
        # The newest is last, and is lent first: in quiet times the others grow old and are closed.
        self._idle: deque[AsyncpgConnection] = deque()
        self._lent: set[AsyncpgConnection] = set()
        self._has_own_session = False

    async def open(self) -> None:
        """Connections are made when they are asked for."""

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._lent:
            connection.driver.terminate()
        idle = [*self._idle]
        self._idle.clear()
        closing = (connection.driver.close(timeout=CLOSE_TIMEOUT) for connection in idle)
        await asyncio.gather(*closing, return_exceptions=True)

    async def expire(self) -> None:
        """Make new connections from now on."""
        self.end_idle()

    @asynccontextmanager
    async def connect(self, *, to_write: bool = False) -> AsyncIterator["AsyncpgConnection"]:  # noqa: ARG002
        """Lend a connection. Each statement commits by itself, except in a transaction.

        A connection is the same whether it is lent `to_write` or not. Raises
        NoFreeConnectionError after connection_queue.POOL_TIMEOUT, and the errors of connecting.
        """
        start = await self.queue.enter()
        connection = await self._take(start)
        self._lent.add(connection)
        try:
            yield connection
        finally:
            self._lent.discard(connection)
            self._put_back(connection)
            self.queue.leave(start)

    @asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        """Leave the place of one connection free for a connection that is made elsewhere."""
        start = await self.queue.enter()
        try:
            if len(self._idle) + self.queue.in_use > self.queue.size:
                self._idle.popleft().driver.terminate()
            yield
        finally:
            self.queue.leave(start)

    async def _take(self, start: float) -> "AsyncpgConnection":
        """Return an idle connection that is alive, or a new one. On errors the loan ends."""
        try:
            while self._idle:
                connection = self._idle.pop()
                if self._is_old(connection):
                    connection.driver.terminate()
                elif not connection.driver.is_closed() and await self._is_alive(connection):
                    return connection
        except BaseException:
            self.queue.leave(start)
            raise
        # In a task of its own, because connecting may take longer than the request has: then the
        # connection is finished for others. Else a slow server would never be reached.
        connecting = asyncio.ensure_future(self._connect())
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(partial(self._keep_for_others, start))
            raise
        except BaseException:
            self.queue.leave(start)
            raise

    async def _is_alive(self, connection: "AsyncpgConnection") -> bool:
        """Ping a connection that was idle for long."""
        if time.monotonic() - connection.idle_since < IDLE_CHECK:
            return True
        try:
            await connection.driver.fetchrow(";", timeout=PING_TIMEOUT)
        except BaseException as error:
            connection.driver.terminate()
            if not isinstance(error, Exception):
                raise
            # The server was restarted, or is out of reach: the other idle connections are dead,
            # too. Closing them politely would wait for the server.
            self.end_idle()
            return False
        return True

    def _put_back(self, connection: "AsyncpgConnection") -> None:
        if connection.driver.is_closed():
            return
        if connection.driver.is_in_transaction():
            connection.driver.terminate()
            return
        now = connection.idle_since = time.monotonic()
        self._idle.append(connection)
        while self._idle and (self._is_old(self._idle[0]) or self._is_too_many(now)):
            self._idle.popleft().driver.terminate()

    def _is_too_many(self, now: float) -> bool:
        unused = now - self._idle[0].idle_since
        return len(self._idle) > self.kept and unused > OVERFLOW_RECYCLE

    @staticmethod
    def _is_old(connection: "AsyncpgConnection") -> bool:
        """Whether to make another: a switchover may have left this one at the old server."""
        return time.monotonic() - connection.made_at > POOL_RECYCLE

    def end_idle(self) -> None:
        """Close every connection that is not in use."""
        while self._idle:
            self._idle.pop().driver.terminate()

    def _keep_for_others(
        self, start: float, connected: "asyncio.Future[AsyncpgConnection]"
    ) -> None:
        if not connected.cancelled() and connected.exception() is None:
            self._put_back(connected.result())
        self.queue.leave(start)

    async def _connect(self) -> "AsyncpgConnection":
        arguments = self._arguments
        with explained(arguments.get("host")):
            driver = await asyncpg.connect(**arguments)
            if not self._has_own_session:
                try:
                    await require_own_session(driver, lambda: asyncpg.connect(**arguments))
                except BaseException:
                    driver.terminate()
                    raise
                self._has_own_session = True
        return AsyncpgConnection(driver, self)


def connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the arguments of `asyncpg.connect`, without a time-out for each statement.

    `db.UNIT_TIMEOUT` bounds statements. asyncpg's own time-out takes 17 µs of each.
    """
    _, arguments = asyncpg_dialect().create_connect_args(settings.url)
    return {**arguments, **settings.connect_args, "command_timeout": None}


class AsyncpgConnection:
    """A connection of the pool. `idle_since` is the time.monotonic() at which it was given back."""

    dialect = "postgresql"

    def __init__(self, driver: Any, pool: PostgreSQL) -> None:
        self.driver = driver  # asyncpg's connection, whose methods have no types
        self.made_at = self.idle_since = time.monotonic()
        self._pool = pool

    async def fetch(self, statement: Statement[Any], values: dict[str, object]) -> Sequence[Row]:
        """Run a statement, and return its rows. Raises PostgresError and asyncpg's other errors."""
        text, names, constants = statement.for_asyncpg
        ordered = [values[name] if name in values else constants[name] for name in names]
        try:
            if self._pool.observer is None:
                rows: Sequence[Row] = await self.driver.fetch(text, *ordered)
                return rows
            with self._pool.observer(text):
                rows = await self.driver.fetch(text, *ordered)
                return rows
        except BaseException as error:
            self._end_if_spoilt(error)
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit at the end of the block; an error rolls everything back."""
        # Not asyncpg's own transaction: its ROLLBACK on a connection that was terminated raises
        # another error in place of the one that ended the block.
        await self._run_or_end(BEGIN)
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Exception):
                self.driver.terminate()  # no time is left, not for a ROLLBACK either
            elif not self.driver.is_closed():
                await self._run_or_end("ROLLBACK")
            raise
        if await self._run_or_end("COMMIT") != "COMMIT":
            raise RuntimeError("a statement of the transaction had failed: nothing was committed")

    async def _run_or_end(self, command: str) -> str:
        """Run BEGIN, COMMIT or ROLLBACK; an error leaves it unknown whether one is open."""
        try:
            with self._pool.observer(command) if self._pool.observer else nullcontext():
                return str(await self.driver.execute(command))
        except BaseException:
            self.driver.terminate()
            raise

    def _end_if_spoilt(self, error: BaseException) -> None:
        # A statement that is given up is still under way. The next statement would wait for it.
        spoilt = isinstance(error, CancelledError) or is_out_of_step(error)
        if spoilt or self.driver.is_closed():
            self.driver.terminate()
        elif sqlstate(error) == READ_ONLY:  # the other connections lead to the same old server
            self.driver.terminate()
            self._pool.end_idle()
