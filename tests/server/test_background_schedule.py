"""When expired rows are removed: in every process, from time to time, as long as it serves."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from quart import Quart
from sqlalchemy import update

from service.app import create_app
from service.config import Settings
from service.exceptions import DatabaseUnavailableError
from service.models import DatabaseNow, Session
from service.server.background import CONTINUED, FIRST, INTERVAL
from tests.people import Person, add_person, count
from tests.statements import run
from tests.waiting import LONG_ENOUGH, eventually

LEAST, MOST = 0.5, 1.5  # of a pause, so that processes that start together part


class Pauses:
    """The pauses of one process, which end when a test says so."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self._ends = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        await self._ends.acquire()

    async def next(self) -> float:
        """End the pause; the length of the next one, which has begun."""
        known = len(self.taken)
        self._ends.release()
        return await self.begun(known + 1)

    async def begun(self, number: int) -> float:
        async def has() -> bool:
            return len(self.taken) >= number

        await eventually(has)
        return self.taken[number - 1]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """Those of every application that is served after this."""
    pauses = Pauses()
    own = SimpleNamespace(**vars(asyncio) | {"sleep": pauses.sleep})
    monkeypatch.setattr("service.server.background.asyncio", own)
    return pauses


@pytest.fixture
async def app(settings: Settings, pauses: Pauses) -> AsyncIterator[Quart]:
    app = create_app(settings)
    async with app.test_app():
        yield app


async def expired_session(app: Quart) -> Person:
    person = await add_person(app, "alice@example.com")
    await run(app, update(Session).values(expires_at=DatabaseNow()))
    return person


async def test_schedule(app: Quart, pauses: Pauses) -> None:
    """Some minutes after the start, when that is over, and once an hour from then on."""
    await expired_session(app)
    assert LEAST * FIRST <= await pauses.begun(1) <= MOST * FIRST
    assert await count(app, Session) == 1
    assert LEAST * INTERVAL <= await pauses.next() <= MOST * INTERVAL
    assert await count(app, Session) == 0
    assert LEAST * INTERVAL <= await pauses.next() <= MOST * INTERVAL


async def test_sooner_where_something_is_left(
    app: Quart, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round has a bound; what it leaves is not there for another hour."""
    await pauses.begun(1)
    with monkeypatch.context() as patch:
        patch.setattr("service.server.background.MOST_BATCHES", 0)
        assert LEAST * CONTINUED <= await pauses.next() <= MOST * CONTINUED
    assert LEAST * INTERVAL <= await pauses.next() <= MOST * INTERVAL


async def test_processes_part(settings: Settings, app: Quart, pauses: Pauses) -> None:
    """Several that start at the same moment do not clean up at the same moment."""
    for number in range(2, 7):
        other = create_app(settings)
        async with other.test_app():
            await pauses.begun(number)
    assert len(set(pauses.taken)) > 1


@pytest.mark.parametrize("error", [DatabaseUnavailableError(), RuntimeError("nobody foresaw it")])
async def test_goes_on_after_a_failure(
    app: Quart,
    pauses: Pauses,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """A round that fails is told in the log, and the next one does what it left."""

    @asynccontextmanager
    async def fail() -> AsyncIterator[None]:
        raise error
        yield

    await expired_session(app)
    await pauses.begun(1)
    with monkeypatch.context() as patch:
        patch.setattr("service.server.background.db", SimpleNamespace(read=fail))
        await pauses.next()
    assert await count(app, Session) == 1
    told = [it for it in caplog.records if it.levelno >= logging.WARNING]
    assert told
    assert all("housekeeping" in it.getMessage() for it in told)
    await pauses.next()
    assert await count(app, Session) == 0


async def test_ends_with_serving(settings: Settings, pauses: Pauses) -> None:
    """However long its pause is, a process that is told to stop stops."""
    app = create_app(settings)
    async with asyncio.timeout(LONG_ENOUGH), app.test_app():
        await pauses.begun(1)
    assert app.extensions["housekeeping"].done()
