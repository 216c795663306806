"""GET /api/docs"""

import html
import re

import pytest
from quart import Quart

from service.security.headers import CONTENT_SECURITY_POLICY
from tests.api.described import Described, description
from tests.people import Browser, Person, text_of
from tests.statements import database_away
from tests.wire import send

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ADDRESS = "/api/docs"


@pytest.fixture
async def operations(app: Quart) -> list[Described]:
    return await description(app)


@on_sqlite
async def test_docs(nobody: Browser, operations: list[Described]) -> None:
    """All that the description says can be read, without a script."""
    response = await nobody.get(ADDRESS)
    assert response.status_code == 200
    source = await response.get_data(as_text=True)
    text = await text_of(response)
    for it in operations:
        assert f'<article class="operation" id="{it.name}">' in source
        assert f'href="#{it.name}"' in source
        assert f"{it.method} {it.path}" in text
        assert it.scope is None or f"Needs a token with the scope {it.scope} ," in text
        for each in it.own["parameters"]:
            assert each["description"].partition("`")[0] in text
    for name in operations[0].document["components"]["schemas"]:
        assert f'id="shape-{name}"' in source
    for code in ("BOOK_CHANGED", "STILL_RUNNING", "TOO_MANY_REQUESTS", "WRONG_CREDENTIALS"):
        assert code in text
    assert "`" not in text
    assert "<script" not in source
    assert "<form" not in source
    assert "/login?next=/api/docs" in source


@on_sqlite
async def test_docs_lead_nowhere_else(alice: Person) -> None:
    """Every file of the page is this site's, and every link within it leads somewhere."""
    source = await (await alice.get(ADDRESS)).get_data(as_text=True)
    addresses = re.findall(r' (?:href|src|action)="([^"]*)"', source)
    ids = set(re.findall(r' id="([^"]*)"', source))
    assert len(ids) == len(re.findall(r' id="', source))
    for address in map(html.unescape, addresses):
        if address.startswith("#"):
            assert address[1:] in ids
        else:
            assert re.match(r"/(?!/)", address)
            assert (await alice.get(address)).status_code in (200, 303)


async def test_docs_to_try(alice: Person, operations: list[Described]) -> None:
    """Who is signed in finds a form for each operation of theirs, brought to life by a script."""
    source = await (await alice.get(ADDRESS)).get_data(as_text=True)
    assert source.count("<script") == 1
    by_session = [it for it in operations if it.own["security"] != [{"token": []}]]
    assert len(operations) - len(by_session) == 1
    assert source.count('<details class="try" hidden>') == len(by_session)
    assert alice.email in source


@on_sqlite
async def test_docs_policy(app: Quart, alice: Person) -> None:
    """A script of ours may run and call us; every other page stays without."""
    answer = await send(app, target=ADDRESS)
    policy = answer.one("Content-Security-Policy").split("; ")
    assert set(policy) - set(CONTENT_SECURITY_POLICY.split("; ")) == {
        "script-src 'self'",
        "connect-src 'self'",
    }
    assert answer.one("Cache-Control") == "no-store"
    other = await send(app, target="/status")
    assert "script-src" not in other.one("Content-Security-Policy")
    cookie = [("Cookie", f"readlog-session={alice.cookie()}")]
    assert (await send(app, target=ADDRESS, headers=cookie)).one("Cache-Control") == "no-store"


@on_sqlite
async def test_docs_in_footer(nobody: Browser) -> None:
    page = await (await nobody.get("/")).get_data(as_text=True)
    assert 'href="/api/docs"' in page


class TestIsAPage:
    """What goes wrong at this address is told to people: the API is for programs, this is not."""

    @on_sqlite
    @pytest.mark.parametrize(
        ("method", "path", "headers", "status"),
        [
            ("POST", ADDRESS, [("Origin", "http://localhost")], 405),
            ("POST", ADDRESS, [], 403),
            ("POST", ADDRESS, [("Authorization", "Bearer rl_x")], 403),
            ("DELETE", ADDRESS, [("Origin", "https://evil.example")], 403),
            ("GET", f"{ADDRESS}/nowhere", [], 404),
            ("GET", f"{ADDRESS}?{'x' * 9000}", [], 414),
            ("GET", ADDRESS, [("X-Long", "x" * 40_000)], 431),
        ],
    )
    async def test_refusals(
        self, app: Quart, method: str, path: str, headers: list[tuple[str, str]], status: int
    ) -> None:
        answer = await send(app, method, path, headers=headers)
        assert answer.status == status
        assert answer.one("Content-Type") == "text/html; charset=utf-8"
        assert f"Error {status}" in answer.text

    @on_sqlite
    @pytest.mark.parametrize("path", ["/api/", "/api/docsx", "/api/v1/docs", "/api/v2/books"])
    async def test_beside_it(self, app: Quart, path: str) -> None:
        """Every other address below /api/ is for programs, also one that is unknown."""
        answer = await send(app, target=path, headers=[("Accept", "text/html")])
        assert answer.status == 404
        assert answer.one("Content-Type") == "application/problem+json"

    async def test_without_database(self, app: Quart, alice: Person) -> None:
        """Who is signed in is not told by JSON that the database is away."""
        async with database_away(app):
            response = await alice.get(ADDRESS)
        assert response.status_code == 503
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert int(response.headers["Retry-After"]) >= 1
        assert "Error 503" in await text_of(response)
