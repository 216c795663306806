"""The clocks and pauses that the service goes by, in a test's hands."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from quart import Quart
from sqlalchemy import Pool, event

# PostgreSQL finds this function before its own one of the same name on every connection that is
# made from then on.
_SHADOW = """
    DROP SCHEMA IF EXISTS clock CASCADE;
    CREATE SCHEMA clock;
    CREATE TABLE clock.moment (at timestamptz NOT NULL);
    INSERT INTO clock.moment VALUES (to_timestamp(0));
    CREATE FUNCTION clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
        AS 'SELECT at FROM clock.moment';
    DO $$ BEGIN EXECUTE format(
        'ALTER DATABASE %I SET search_path = public, clock, pg_catalog', current_database()
    ); END $$
"""
_UNCOVER = """
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET search_path', current_database()); END $$;
    DROP SCHEMA clock CASCADE
"""


class Clock:
    """The database's clock, which stands still until it is moved. `now` is in seconds since 1970.

    The clock of this process goes on.
    """

    def __init__(self, server: "asyncpg.Connection | None") -> None:
        self.now = float(int(time.time()))
        self._server = server

    @property
    def time(self) -> datetime:
        """The same as a date and a time."""
        return datetime.fromtimestamp(self.now, UTC)

    async def advance(self, seconds: float) -> None:
        """Move it."""
        await self.set(self.time + timedelta(seconds=seconds))

    async def set(self, moment: datetime) -> None:
        """Move it to a time."""
        self.now = moment.timestamp()
        if self._server is not None:
            await self._server.execute("UPDATE clock.moment SET at = $1", moment)

    def shadow(self, connection: Any, _record: object) -> None:
        """Have a new connection to SQLite ask this clock."""
        if hasattr(connection, "create_function"):
            connection.create_function("strftime", -1, self._strftime)

    def _strftime(self, _format: str, moment: str, *shifts: str) -> str:
        assert moment == "now"
        seconds = sum(float(shift.removesuffix(" seconds")) for shift in shifts)
        return f"{self.time + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S.%f}"


@asynccontextmanager
async def stopped_clock(app: Quart, database_url: str) -> AsyncIterator[Clock]:
    """The clock of the application's database, stopped for the block."""
    sqlite = database_url.startswith("sqlite:")
    server = None if sqlite else await asyncpg.connect(database_url)
    clock = Clock(server)
    event.listen(Pool, "connect", clock.shadow)
    try:
        if server is not None:
            await server.execute(_SHADOW)
        await clock.advance(0)
        # What was connected before does not ask this clock.
        await app.extensions["database"].pool.expire()
        yield clock
    finally:
        event.remove(Pool, "connect", clock.shadow)
        if server is not None:
            await server.execute(_UNCOVER)
            await server.close()


@contextmanager
def machine_ahead(seconds: float) -> Iterator[None]:
    """In the block this machine's clock is ahead of the others', and of the database's."""
    real: Callable[[], float] = time.time

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(time.time(), tz)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + seconds)
        patch.setattr("service.models.base.datetime", Ahead)
        yield


def record_holds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each failed sign-in would have been held; it is not."""
    holds: list[float] = []

    async def sleep(seconds: float) -> None:
        holds.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr("service.security.timing.asyncio", SimpleNamespace(sleep=sleep))
    return holds
