"""/metrics: who may read it, and that what it says is so."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from threading import Event
from typing import Any

import pytest
from quart import Quart

from service import db
from service.api.polled_list import PolledList
from service.app import create_app
from service.config import Settings
from service.exceptions import DatabaseUnavailableError
from service.security.headers import HEADERS
from service.security.passwords import PasswordHasher
from service.web.request_limits import MAX_BODY
from tests.people import Person
from tests.servers import ROOT
from tests.telemetry.exposition import AUTHORIZATION, TOKEN, requests, scrape, value, values
from tests.wire import FORM, send

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def environment(database_url: str, request: pytest.FixtureRequest) -> dict[str, str]:
    variables = {"CONFIG_TYPE": "testing", "DATABASE_URL": database_url, "METRICS_TOKEN": TOKEN}
    return variables | getattr(request, "param", {})


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Quart]:
    """The application, with a view that waits until it is told to go on, and one that fails."""
    app = create_app(settings)
    app.config["GO_ON"] = asyncio.Event()

    @app.get("/waits/<name>")
    async def waits(name: str) -> str:
        await app.config["GO_ON"].wait()
        return name

    @app.get("/fails")
    async def fails() -> str:
        raise RuntimeError("unforeseen")

    async with app.test_app():
        yield app


@on_sqlite
@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} {TOKEN}",
        "Bearer ünïcödé",
    ],
)
async def test_metrics_wrong_token(app: Quart, given: str | None) -> None:
    """Refused, and told how to ask; what there is to know is not in it."""
    headers = [] if given is None else [("Authorization", given.encode())]
    answer = await send(app, target="/metrics", headers=headers)
    assert answer.status == 401
    assert answer.one("WWW-Authenticate") == "Bearer"
    assert "readlog_" not in answer.text
    assert TOKEN not in answer.text


@on_sqlite
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_metrics_right_token(app: Quart, scheme: str) -> None:
    """As every answer it has the headers that browsers heed, and is kept by no cache."""
    answer = await send(app, target="/metrics", headers=[("Authorization", f"{scheme} {TOKEN}")])
    assert answer.status == 200
    assert answer.one("Content-Type").startswith("text/plain; version=0.0.4")
    for name, expected in HEADERS.items():
        assert answer.one(name) == expected
    assert TOKEN not in answer.text


@on_sqlite
async def test_metrics_for_prometheus_of_today(app: Quart) -> None:
    """It asks for OpenMetrics, gets it, and finds the same in it."""
    accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5"
    await send(app, target="/livez")
    answer = await send(app, target="/metrics", headers=[AUTHORIZATION, ("Accept", accept)])
    assert answer.one("Content-Type").startswith("application/openmetrics-text; version=1.0.0")
    assert requests(values(answer.text)) == {("/livez", "GET", "200"): 1}


@on_sqlite
@pytest.mark.parametrize("environment", [{"METRICS_TOKEN": ""}], indirect=True)
async def test_metrics_without_setting(app: Quart) -> None:
    """Without a token there is no such address, for an empty one either."""
    for headers in ([], [AUTHORIZATION], [("Authorization", "Bearer ")]):
        assert (await send(app, target="/metrics", headers=headers)).status == 404


@on_sqlite
async def test_metrics_says_who_may_and_how_often(app: Quart) -> None:
    """The rules that hold for every route."""
    view: Any = app.view_functions["metrics.tell"]
    assert view.access == "public"
    assert view.limit.startswith("none: ")
    assert (await send(app, "POST", "/metrics")).status == 403
    assert (await send(app, "OPTIONS", "/metrics")).status == 200


async def test_requests_are_counted_by_route(app: Quart, alice: Person) -> None:
    """By the rule that the address matched, method and status, whatever became of the request."""
    first, second = await alice.has_books("Emma", "Persuasion")
    cookie = ("Cookie", f"readlog-session={alice.cookie()}")
    origin = ("Origin", "http://localhost")
    assert (await send(app, target="/books/?q=alice@example.com", headers=[cookie])).status == 200
    for book_id in (first, second, 4711):
        await send(app, target=f"/books/{book_id}/edit", headers=[cookie])
    await send(app, "HEAD", "/login")
    await send(app, "DELETE", "/login", headers=[origin])
    await send(app, "POST", "/login")
    await send(
        app, "POST", "/login", body=b"x" * (MAX_BODY + 1), headers=[origin, ("Content-Type", FORM)]
    )
    await send(app, target="/login?" + "x" * 9000)
    await send(app, target="/static/app.css")
    await send(app, target="/fails")
    assert requests(await scrape(app)) == {
        ("/books/", "GET", "200"): 1,
        ("/books/<id:book_id>/edit", "GET", "200"): 2,
        ("/books/<id:book_id>/edit", "GET", "404"): 1,
        ("/login", "HEAD", "200"): 1,
        ("(none)", "DELETE", "405"): 1,
        ("/login", "POST", "403"): 1,
        ("/login", "POST", "413"): 1,
        ("/login", "GET", "414"): 1,
        ("/static/<path:filename>", "GET", "200"): 1,
        ("/fails", "GET", "500"): 1,
    }


@on_sqlite
async def test_series_are_bounded(app: Quart) -> None:
    """Clients make up addresses and methods; that makes no series, and none of it is told."""
    await send(app, "BREW", "/alice@example.com")
    before = await scrape(app)
    for number in range(30):
        await send(app, f"BREW{number}", f"/alice@example.com/{number}")
        await send(app, target=f"/books/{number}x/edit")
    await send(app, target="/static/nothing-there.css")
    text = (await send(app, target="/metrics", headers=[AUTHORIZATION])).text
    assert "alice" not in text
    assert "BREW" not in text
    added = values(text).keys() - before.keys()
    assert {dict(labels).get("route") for _, labels in added} <= {
        "/books/<id:book_id>/edit", "/static/<path:filename>", "(none)", "/metrics",
    }  # fmt: skip
    assert requests(values(text)).keys() == {
        ("(none)", "_OTHER", "403"),
        ("(none)", "GET", "404"),
        ("/static/<path:filename>", "GET", "404"),
    }


@on_sqlite
async def test_latency(app: Quart) -> None:
    """The time goes into one bucket and all above it, by route and method."""
    for _ in range(3):
        await send(app, target="/livez")
    found = await scrape(app)
    name, labels = "readlog_request_duration_seconds", {"route": "/livez", "method": "GET"}
    assert value(found, f"{name}_count", **labels) == 3
    assert value(found, f"{name}_bucket", le="+Inf", **labels) == 3
    assert value(found, f"{name}_sum", **labels) > 0
    assert value(found, f"{name}_bucket", le="0.005", **labels) <= 3


@on_sqlite
async def test_requests_in_flight(app: Quart) -> None:
    """Those under way, that which asks among them; none is left over."""
    waiting = [asyncio.create_task(send(app, target=f"/waits/{name}")) for name in "abc"]
    await asyncio.sleep(0)
    assert value(await scrape(app), "readlog_requests_in_flight") == 4
    app.config["GO_ON"].set()
    await asyncio.gather(*waiting)
    await send(app, target="/fails")
    assert value(await scrape(app), "readlog_requests_in_flight") == 1


@pytest.mark.parametrize(
    "environment", [{"DB_POOL_SIZE": "2", "DB_MAX_OVERFLOW": "3"}], indirect=True
)
async def test_pool(app: Quart) -> None:
    """What is kept, what is in use, and what there is beyond."""

    async def pool() -> tuple[float, ...]:
        found = await scrape(app)
        names = ("size", "checked_out", "overflow")
        return tuple(value(found, f"readlog_database_pool_{name}") for name in names)

    assert await pool() == (2, 0, 0)
    async with app.app_context(), AsyncExitStack() as stack:
        await stack.enter_async_context(db.read())
        assert await pool() == (2, 1, 0)
        for _ in range(3):
            await stack.enter_async_context(db.read())
        assert await pool() == (2, 4, 2)
    assert await pool() == (2, 0, 0)


@on_sqlite
async def test_hashing_queue(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have a thread, and those that wait for one."""
    go_on = Event()
    monkeypatch.setattr(PasswordHasher, "_matches", lambda *_: go_on.wait(20))
    hasher: PasswordHasher = app.extensions["password_hasher"]
    threads = hasher.threads.count
    verifying = [asyncio.create_task(hasher.verify("a", "$argon2x")) for _ in range(threads + 3)]
    try:
        await asyncio.sleep(0)
        found = await scrape(app)
        assert value(found, "readlog_password_hashing_running") == threads
        assert value(found, "readlog_password_hashing_waiting") == 3
    finally:
        go_on.set()
        await asyncio.gather(*verifying, return_exceptions=True)
    assert value(await scrape(app), "readlog_password_hashing_running") == 0


@on_sqlite
async def test_process(app: Quart) -> None:
    """What the kernel says of this process; its processor time grows, and is counted once."""
    before = await scrape(app)
    while sum(os.times()[:2]) < value(before, "process_cpu_seconds_total") + 0.1:
        await send(app, target="/livez")
    after = await scrape(app)
    assert value(after, "process_cpu_seconds_total") == pytest.approx(sum(os.times()[:2]), abs=1)
    assert value(after, "process_resident_memory_bytes") > 2**20
    assert value(after, "process_start_time_seconds") > 10**9
    assert value(after, "process_open_fds") > 3
    assert value(after, "readlog_workers") == 1


@on_sqlite
async def test_manual_names_every_metric(app: Quart) -> None:
    await send(app, target="/livez")
    told = {re.sub("_(bucket|count|sum)$", "", name) for name, _ in await scrape(app)}
    manual = set(re.findall(r"`((?:readlog|process)_\w+)`", (ROOT / "docs/operate.md").read_text()))
    assert told == manual


class TestWithoutDatabase:
    """Nothing listens where the database should be."""

    @pytest.fixture
    def database_url(self) -> str:
        return "postgresql://reader@127.0.0.1:1/books?sslmode=disable"

    async def test_refusals_are_counted(self, app: Quart) -> None:
        """/metrics itself needs no database, and tells what others miss."""
        assert (await send(app, target="/readyz")).status == 503
        assert (await send(app, target="/status")).status == 503
        assert requests(await scrape(app)) == {
            ("/readyz", "GET", "503"): 1,
            ("/status", "GET", "503"): 1,
        }


async def test_early_refusal_keeps_its_route(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """The busiest address must not vanish from the metrics while the database is away."""

    async def fail(*_: object) -> None:
        raise DatabaseUnavailableError

    monkeypatch.setattr(PolledList, "answer", fail)
    assert (await send(app, target="/api/v1/books")).status == 503
    assert requests(await scrape(app))["/api/v1/books", "GET", "503"] == 1
