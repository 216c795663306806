"""What the log says of a database that refuses or is away: a line a minute for each reason."""

import io
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from quart import Quart

from service.app import create_app
from service.config import Settings
from service.logs import SeldomWarnings
from service.security.tokens import new_access_token
from tests.log_output import under_gunicorn
from tests.people import Browser
from tests.servers import free_port
from tests.wire import send

REQUESTS = 20
BOOKS = "/api/v1/books"
TOKEN = f"Bearer {new_access_token()}"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    with under_gunicorn() as stream:
        yield stream


def warnings(output: io.StringIO) -> list[str]:
    """The messages, without the time and so on before them."""
    lines = [line for line in output.getvalue().splitlines() if line.startswith("WARNING")]
    return [line.partition("] ")[2] for line in lines]


class Clock:
    """time.monotonic() of the log, which tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("service.logs.time.monotonic", clock.monotonic)
    return clock


def test_one_line_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = SeldomWarnings()
    for _ in range(5):
        log.warn("test", "it is away: 1", reason="away")
        log.warn("test", "it is full")
    clock.now += SeldomWarnings.PERIOD - 1
    log.warn("test", "it is away: 2", reason="away")
    clock.now += 1
    log.warn("test", "it is away: 3", reason="away")
    log.warn("test", "it is full")
    assert caplog.messages == [
        "it is away: 1",
        "it is full",
        "it is away: 3 (and 5 times more since the last such line)",
        "it is full (and 4 times more since the last such line)",
    ]


def test_reasons_are_bounded(clock: Clock) -> None:
    """Whatever an error's text holds, the memory of it does not grow."""
    log = SeldomWarnings()
    for number in range(3 * SeldomWarnings.MOST_REASONS):
        log.warn("test", "it is away", reason=f"reason {number}")
    assert len(log._told) == SeldomWarnings.MOST_REASONS
    assert ("test", f"reason {number}") in log._told


# What is changed in a URL that works, and what the log says then.
REFUSALS = {
    "password": (
        r":[^:@]+@",
        ":hunter2@",
        'DATABASE_UNAVAILABLE: password authentication failed for user "postgres"',
    ),
    "database": ("postgres$", "gone", 'DATABASE_UNAVAILABLE: database "gone" does not exist'),
    "option": (
        "$",
        "?options=-c%20nonsense%3D1",
        'DATABASE_UNAVAILABLE: unrecognized configuration parameter "nonsense"',
    ),
    "tls": ("$", "?sslmode=require", "DATABASE_UNAVAILABLE: it has no TLS, which sslmode asks for"),
    "address": (
        r":\d+/",
        f":{free_port()}/",
        "DATABASE_UNAVAILABLE: nothing accepts connections at its address",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
async def test_refusal(postgresql_url: str, output: io.StringIO, what: str) -> None:
    """503 for everybody, page or program, and one line that names the reason, and no secret."""
    found, replaced, words = REFUSALS[what]
    url = re.sub(found, replaced, postgresql_url, count=1)
    app = create_app(Settings.from_env({"CONFIG_TYPE": "testing", "DATABASE_URL": url}))
    async with app.test_app():
        await _check_unavailable(app)
    [line] = warnings(output)
    assert line.startswith(words)
    assert "hunter2" not in output.getvalue()
    assert "Traceback" not in output.getvalue()


async def _check_unavailable(app: Quart) -> None:
    form = {"email": "carol@example.com", "password": "correct horse battery"}
    for _ in range(REQUESTS // 4):
        browser = Browser(app)
        browser.set_cookie("some-token")
        pages = [await browser.get("/books/"), await browser.post("/login", form)]
        assert [page.status_code for page in pages] == [503, 503]
        assert (await send(app, target=BOOKS, headers=[(b"authorization", TOKEN)])).status == 503
        probe = await send(app, target="/readyz")
        assert (probe.status, probe.body) == (503, b'{"status":"unavailable"}')


async def test_no_migration(
    migrated_postgresql: str, postgresql_url: str, output: io.StringIO
) -> None:
    """With MIGRATE_ON_START=off, a database without our tables is told of in words."""
    app = create_app(Settings.from_env({"CONFIG_TYPE": "testing", "DATABASE_URL": postgresql_url}))
    async with app.test_app():
        await _check_unavailable(app)
    assert 1 <= len(warnings(output)) <= 2  # of requests, and of the trial for /readyz
    for line in warnings(output):
        assert "its schema is not the one of this release: run bin/migrate" in line


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_lock(settings: Settings, output: io.StringIO, database_url: str) -> None:
    """What is no refusal has its traceback too, once: it tells what was under way."""
    app = create_app(settings)
    async with app.test_app(), transaction(database_url) as other:
        await other.execute("LOCK TABLE sessions")
        browser = Browser(app)
        browser.set_cookie("some-token")
        assert (await browser.get("/books/")).status_code == 503
        assert "in get_signed_in" in output.getvalue()
        once = output.getvalue().count("Traceback")
        assert (await browser.get("/books/")).status_code == 503
    assert warnings(output) == ["DATABASE_UNAVAILABLE: canceling statement due to lock timeout"]
    assert output.getvalue().count("Traceback") == once


@asynccontextmanager
async def transaction(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()
