"""Pages of errors know who is there: they offer what the person can do, and claim nothing else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import delete

from service import db
from service.app import create_app
from service.auth import current, login_required, queries
from service.config import Settings
from service.exceptions import DatabaseUnavailableError, NotAuthenticatedError, OverloadedError
from service.models import sessions_table
from tests.markup import Page
from tests.page_forms import filled_in
from tests.people import Browser, Person
from tests.servers import free_port
from tests.statements import run_on
from tests.web.test_errors import MET, RAISED, meet
from tests.web.test_routes import routes
from tests.wire import FORM, send

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SIGNED_IN = ["/books/", "/profile", "/logout"]
SIGNED_OUT = ["/register", "/login"]
UNKNOWN = ["/"]


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Quart]:
    """The application, with views that fail."""
    app = create_app(settings)

    async def fail(kind: str) -> str:
        raise RAISED[kind][0]

    @login_required
    async def end(user: Any) -> str:
        async with db.transaction() as connection:
            await run_on(
                connection, delete(sessions_table).where(sessions_table.c.user_id == user.id)
            )
        raise NotAuthenticatedError("This session has ended.")

    app.add_url_rule("/fail/<kind>", "fail_page", fail)
    app.add_url_rule("/end", "end_page", end)
    async with app.test_app():
        yield app


def navigation(source: str) -> list[str]:
    """Where the main navigation leads to; the page's content must lead on in the same way."""
    page = Page(source)
    start = source.index('<nav aria-label="Main">')
    links = Page(source[start : source.index("</nav>")]).links
    home = "/books/" if links == SIGNED_IN else "/"
    assert page.links[1] == home
    if "Error 4" in source or "Error 5" in source:
        assert f'<a class="button" href="{home}">' in source
    return links


async def shown(browser: Browser, path: str, status: int) -> list[str]:
    response = await browser.get(path)
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"
    return navigation(await response.get_data(as_text=True))


def cookie_of(person: Browser) -> list[tuple[str, str]]:
    return [("Cookie", f"readlog-session={person.cookie()}")]


@pytest.mark.parametrize("case", MET, ids=lambda case: f"{case[0]} {case[1]} {case[2][:15]}")
async def test_met_outside_of_views(app: Quart, alice: Person, case: Any) -> None:
    status, method, path, headers, body = case
    answer = await meet(app, (status, method, path, [*headers, *cookie_of(alice)], body))
    assert answer.status == status
    assert answer.one("cache-control") == "no-store"
    assert navigation(answer.text) == SIGNED_IN


@on_sqlite
@pytest.mark.parametrize("kind", RAISED)
async def test_raised_in_views(alice: Person, nobody: Browser, kind: str) -> None:
    """What is 5xx does not ask the database, which may be the reason."""
    status = RAISED[kind][1]
    expected = SIGNED_IN if status < 500 else UNKNOWN
    assert await shown(alice, f"/fail/{kind}", status) == expected
    assert await shown(nobody, f"/fail/{kind}", status) == SIGNED_OUT


@on_sqlite
async def test_wrong_method_everywhere(app: Quart, alice: Person) -> None:
    ids = dict.fromkeys(("book_id", "token_id"), 4711)
    paths = {
        filled_in(rule.rule, ids)
        for rule, view in routes(app)
        if "<kind>" not in rule.rule and not hasattr(view, "operation")
    }
    met = 0
    for path in sorted(paths):
        answer = await send(
            app, "PATCH", path, headers=[*cookie_of(alice), ("Origin", "http://localhost")]
        )
        if answer.one("content-type").startswith("text/html"):
            assert (answer.status, navigation(answer.text)) == (405, SIGNED_IN), path
            met += 1
    assert met > 10


async def test_known_already(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that fails after it has asked who is there does not make the page ask again."""

    async def fail(*args: object) -> None:
        raise DatabaseUnavailableError

    monkeypatch.setattr("service.books.rules.get_book", fail)
    assert await shown(alice, "/books/1/edit", 503) == SIGNED_IN


@pytest.mark.parametrize("error", [DatabaseUnavailableError(), OverloadedError("No.", 2)])
async def test_lookup_refused(
    alice: Person, nobody: Browser, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The page of a 404 is still one of 404, and says nothing of who is there."""

    async def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(queries, "get_signed_in", fail)
    assert await shown(alice, "/nowhere", 404) == UNKNOWN
    assert await shown(nobody, "/nowhere", 404) == SIGNED_OUT


@on_sqlite
async def test_lookup_fails(
    alice: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake of ours in it changes no status; the log has it."""

    async def fail(*args: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(queries, "get_signed_in", fail)
    assert await shown(alice, "/nowhere", 404) == UNKNOWN
    assert "RuntimeError: a mistake" in caplog.text


@on_sqlite
async def test_lookup_takes_long(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*args: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(queries, "get_signed_in", hang)
    monkeypatch.setattr(current, "LOOKUP_TIMEOUT", 0.01)
    assert await shown(alice, "/nowhere", 404) == UNKNOWN


@on_sqlite
@pytest.mark.parametrize("kind", ["bug", "overloaded", "no-database"])
async def test_no_lookup(alice: Person, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    asked = []

    async def count(*args: object) -> None:
        asked.append(args)

    monkeypatch.setattr(queries, "get_signed_in", count)
    assert await shown(alice, f"/fail/{kind}", RAISED[kind][1]) == UNKNOWN
    assert asked == []


class TestWithoutDatabase:
    """Nothing listens where the database should be."""

    @pytest.fixture
    def environment(self) -> dict[str, str]:
        url = f"postgresql://reader@127.0.0.1:{free_port()}/books?sslmode=disable"
        return {"CONFIG_TYPE": "testing", "DATABASE_URL": url}

    @pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/books/", 503)])
    async def test_page(self, nobody: Browser, path: str, status: int) -> None:
        nobody.set_cookie("some-token")
        assert await shown(nobody, path, status) == UNKNOWN


@pytest.mark.parametrize("form", [{"email": "alice@example.com", "password": "wrong"}, {}])
async def test_login_refused_to_somebody_signed_in(alice: Person, form: dict[str, str]) -> None:
    """The form that is shown again is a page like others."""
    response = await alice.post("/login", form)
    assert response.status_code in (401, 422)
    assert navigation(await response.get_data(as_text=True)) == SIGNED_IN


async def test_session_ended_meanwhile(alice: Person) -> None:
    """The page asks again: what was known at the start of the request is not true any more."""
    assert await shown(alice, "/end", 401) == SIGNED_OUT


@on_sqlite
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, [("Origin", "https://evil.example")]),
        (400, [("Host", "a"), ("Host", "b"), ("Origin", "http://localhost")]),
    ],
)
async def test_without_the_cookie(
    app: Quart, alice: Person, status: int, headers: list[tuple[str, str]]
) -> None:
    """A browser keeps it back from a request of another site: that proves nothing."""
    sent = [("Content-Type", FORM), *headers]
    answer = await send(app, "POST", "/books/add", headers=sent)
    assert (answer.status, navigation(answer.text)) == (status, UNKNOWN)
    answer = await send(app, "POST", "/books/add", headers=[*sent, *cookie_of(alice)])
    assert (answer.status, navigation(answer.text)) == (status, SIGNED_IN)


@on_sqlite
async def test_every_page(app: Quart, alice: Person, nobody: Browser) -> None:
    """No page that a view renders is one that does not know the person."""
    ids = {"book_id": (await alice.has_books("Emma"))[0], "token_id": 4711}
    met = 0
    for rule, view in routes(app):
        if "GET" not in (rule.methods or set()) or "<kind>" in rule.rule or rule.rule == "/end":
            continue
        if hasattr(view, "operation"):
            continue
        for person, expected in ((alice, SIGNED_IN), (nobody, SIGNED_OUT)):
            cookie = cookie_of(person) if person is alice else []
            answer = await send(app, target=filled_in(rule.rule, ids), headers=cookie)
            if answer.status == 200 and answer.one("content-type").startswith("text/html"):
                assert navigation(answer.text) == expected, rule.rule
                met += 1
    assert met > 8
