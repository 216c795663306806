"""Jobs in the background: when each runs, and that none of them is in the way of another."""

import asyncio
import io
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from quart import Quart
from sqlalchemy import update

from service import db
from service.app import create_app
from service.config import Settings
from service.exceptions import DatabaseUnavailableError
from service.models import DatabaseNow, sessions_table
from service.server.background import FIRST, HOUR, JOBS, RETRY, SOON, Every
from service.web.context import wake
from tests.jobs import Pauses
from tests.log_output import under_gunicorn
from tests.people import Person, add_person, count
from tests.statements import run, run_on
from tests.waiting import LONG_ENOUGH, eventually

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
LEAST, MOST = 0.5, 1.5  # of a pause, so that processes that start together part
OFTEN = 5.0  # seconds


class Work:
    """A job that counts its runs. What they return or raise is told beforehand, else False.

    While it is held, a run goes on.
    """

    def __init__(self, *outcomes: bool | Exception) -> None:
        self.outcomes = deque(outcomes)
        self.begun = 0
        self.not_held = asyncio.Event()
        self.not_held.set()

    async def __call__(self) -> bool:
        self.begun += 1
        await self.not_held.wait()
        outcome = self.outcomes.popleft() if self.outcomes else False
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def runs(self, number: int) -> None:
        """Wait until so many runs have begun."""

        async def has() -> bool:
            return self.begun >= number

        await eventually(has)


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    with under_gunicorn() as stream:
        yield stream


@pytest.fixture
async def app(settings: Settings, pauses: Pauses) -> AsyncIterator[Quart]:
    app = create_app(settings)
    async with app.test_app():
        yield app


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Every]:
    """The jobs of every application that is made after this."""
    jobs: dict[str, Every] = {}
    monkeypatch.setattr("service.server.background.JOBS", jobs)
    return jobs


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Quart]:
    app = create_app(settings)
    async with asyncio.timeout(LONG_ENOUGH), app.test_app():
        yield app


def is_about(seconds: float, expected: float) -> bool:
    return LEAST * expected <= seconds <= MOST * expected


async def expired_session(app: Quart) -> Person:
    person = await add_person(app, "alice@example.com")
    await run(app, update(sessions_table).values(expires_at=DatabaseNow()))
    return person


async def test_schedule_of_deleting(app: Quart, pauses: Pauses) -> None:
    """Some minutes after the start, when that is over, and once an hour from then on."""
    await expired_session(app)
    for job in JOBS:
        assert is_about(await pauses.begun(job), FIRST)
    assert await count(app, sessions_table) == 1
    for job in JOBS:
        assert is_about(await pauses.next(job), HOUR)
    assert await count(app, sessions_table) == 0
    assert is_about(await pauses.next("sessions"), HOUR)


@on_sqlite
async def test_frequent_job(settings: Settings, pauses: Pauses, jobs: dict[str, Every]) -> None:
    """It need not wait for the end of the start, and has an interval of its own."""
    often, seldom = Work(), Work()
    jobs |= {"often": Every(OFTEN, often), "seldom": Every(HOUR, seldom)}
    async with serving(settings):
        assert is_about(await pauses.begun("often"), OFTEN)
        assert is_about(await pauses.begun("seldom"), FIRST)
        for _ in range(3):
            assert is_about(await pauses.next("often"), OFTEN)
    assert (often.begun, seldom.begun) == (3, 0)


@on_sqlite
async def test_sooner_where_something_is_left(
    settings: Settings, pauses: Pauses, jobs: dict[str, Every]
) -> None:
    """A run has a bound; what it leaves is not there for another hour."""
    jobs["work"] = Every(HOUR, Work(True, True, False))
    async with serving(settings):
        await pauses.begun("work")
        for expected in (SOON, SOON, HOUR):
            assert is_about(await pauses.next("work"), expected)


@on_sqlite
async def test_processes_part(settings: Settings, pauses: Pauses, jobs: dict[str, Every]) -> None:
    """Several that start at the same moment do not run a job at the same moment."""
    jobs["work"] = Every(HOUR, Work())
    for _ in range(6):
        async with serving(settings):
            await pauses.begun("work")
    assert len(set(pauses.taken["work"])) > 1


@on_sqlite
async def test_slow_job_holds_up_no_other(
    settings: Settings, pauses: Pauses, jobs: dict[str, Every]
) -> None:
    slow, other = Work(), Work()
    slow.not_held.clear()
    jobs |= {"slow": Every(OFTEN, slow), "other": Every(OFTEN, other)}
    async with serving(settings):
        await pauses.begun("slow")
        pauses.end("slow")
        await slow.runs(1)
        for _ in range(3):
            await pauses.next("other")
        assert (slow.begun, other.begun) == (1, 3)
        slow.not_held.set()
        await pauses.begun("slow", 2)


@on_sqlite
@pytest.mark.parametrize("error", [DatabaseUnavailableError(), RuntimeError("nobody foresaw it")])
async def test_failing_job_holds_up_no_other(
    settings: Settings,
    pauses: Pauses,
    jobs: dict[str, Every],
    output: io.StringIO,
    error: Exception,
) -> None:
    """A failure is told in the log, and followed by a pause that nobody ends."""
    failing, other = Work(error), Work()
    jobs |= {"failing": Every(OFTEN, failing), "other": Every(OFTEN, other)}
    async with serving(settings) as app, app.app_context():
        assert is_about(await pauses.next("failing"), RETRY)
        wake("failing")
        for _ in range(2):
            await pauses.next("other")
        assert (failing.begun, other.begun) == (1, 2)
        assert output.getvalue().count("the job of failing") == 1
        pauses.end("failing")
        await failing.runs(2)
        assert is_about(await pauses.begun("failing", 4), OFTEN)
    assert output.getvalue().count("the job of failing") == 1


@on_sqlite
async def test_woken(settings: Settings, pauses: Pauses, jobs: dict[str, Every]) -> None:
    """A job runs at once, and once more where it was woken during a run."""
    work = Work()
    jobs["work"] = Every(HOUR, work)
    async with serving(settings) as app, app.app_context():
        await pauses.begun("work")
        work.not_held.clear()
        wake("work")
        await work.runs(1)
        for _ in range(3):
            wake("work")
        work.not_held.set()
        assert is_about(await pauses.begun("work", 3), HOUR)
        assert work.begun == 2
        with pytest.raises(KeyError):
            wake("wrok")


async def test_cancelled_in_a_transaction(
    settings: Settings, pauses: Pauses, jobs: dict[str, Every], output: io.StringIO
) -> None:
    """A process that is told to stop stops, rolls back, and tells nothing in the log."""
    held = Work()
    held.not_held.clear()

    async def in_a_transaction() -> bool:
        async with db.transaction() as connection:
            await run_on(connection, update(sessions_table).values(expires_at=DatabaseNow()))
            return await held()

    jobs["work"] = Every(HOUR, in_a_transaction)
    async with serving(settings) as app:
        await (alice := await add_person(app, "alice@example.com")).get("/books/")
        pauses.end("work")
        await held.runs(1)
    async with serving(settings) as app:
        again = Person(app, alice.id, alice.email)
        again.set_cookie(alice.cookie() or "")
        assert (await again.get("/books/")).status_code == 200
    assert not [line for line in output.getvalue().splitlines() if not line.startswith("INFO")]


@on_postgresql
async def test_cancelled_in_a_statement(
    settings: Settings, pauses: Pauses, jobs: dict[str, Every], output: io.StringIO
) -> None:
    begun = Work()

    async def slow_statement() -> bool:
        await begun()
        async with db.read() as connection:
            await run_on(connection, "SELECT pg_sleep(20)")
        return False

    jobs["work"] = Every(HOUR, slow_statement)
    async with serving(settings):
        pauses.end("work")
        await begun.runs(1)
    assert output.getvalue() == ""


async def test_cancelled_in_its_pause(settings: Settings) -> None:
    """However long its pause is."""
    async with serving(settings):
        pass
    assert not [task for task in asyncio.all_tasks() if task.get_name() in JOBS]
