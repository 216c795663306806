"""Which requests that change something are believed to come from our own pages."""

from typing import Any

import pytest
from quart import Quart
from werkzeug.datastructures import Headers
from werkzeug.routing import Rule

from service.models import metadata
from service.security.same_origin import SAFE_METHODS, is_same_origin
from tests.people import PASSWORD, Browser, Person, add_user, rows
from tests.production import HOST, ORIGIN, production, secure_browser
from tests.wire import FORM, send

OWN = {"https://books.example.org"}
REFUSED: list[dict[str, str]] = [
    {},
    {"Origin": ""},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://books.example.org"},
    {"Origin": "https://books.example.org:8443"},
    {"Origin": "https://books.example.org."},
    {"Origin": "https://books.example.org.evil.example"},
    {"Origin": "https://evil.example/https://books.example.org"},
    {"Origin": "https://books.example.org@evil.example"},
    {"Origin": "https://evilbooks.example.org"},
    {"Origin": "https://example.org"},
    {"Origin": "books.example.org"},
    {"Origin": "//books.example.org"},
    {"Origin": "https://books.example.org/"},
    {"Origin": "https://books.example.org https://evil.example"},
    {"Origin": "HTTPS://BOOKS.EXAMPLE.ORG"},
    {"Origin": "https://books.example.org\u200b"},
    {"Referer": "https://books.example.org/books/"},
    {"X-Requested-With": "XMLHttpRequest"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "Same-Origin"},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": "anything"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://books.example.org"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://books.example.org"},
]
ACCEPTED: list[dict[str, str]] = [
    {"Origin": "https://books.example.org"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://books.example.org"},
]
CROSS_SITE: list[dict[str, str]] = [
    {},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
]


@pytest.mark.parametrize("headers", REFUSED, ids=str)
def test_refused(headers: dict[str, str]) -> None:
    assert not is_same_origin(Headers(headers), OWN)


@pytest.mark.parametrize("headers", ACCEPTED, ids=str)
def test_accepted(headers: dict[str, str]) -> None:
    assert is_same_origin(Headers(headers), OWN)


def address(rule: Rule) -> str:
    """An address of a rule, its ids filled with those of the first rows."""
    return rule.rule.replace("<id:book_id>", "1")


def unsafe(app: Quart) -> list[tuple[str, str]]:
    """Method and address of each route that may change something."""
    return [
        (method, address(rule))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - SAFE_METHODS)
    ]


async def everything(app: Quart) -> dict[str, list[tuple[Any, ...]]]:
    return {name: await rows(app, *table.c) for name, table in metadata.tables.items()}


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
async def test_every_unsafe_route(app: Quart, alice: Person, headers: dict[str, str]) -> None:
    """Signed in or not, no route that changes something does it for another site."""
    await alice.has_books("Emma")
    before = await everything(app)
    routes = unsafe(app)
    assert len(routes) >= 6
    for method, path in routes:
        for cookie in ([], [("Cookie", f"readlog-session={alice.cookie()}")]):
            if path.startswith("/api/") and not headers and not cookie:
                continue  # what a program sends
            sent = [*headers.items(), *cookie, ("Content-Type", FORM)]
            answer = await send(app, method, path, headers=sent, body=b"book_title=X&book_author=X")
            assert answer.status == 403, (method, path)
            assert answer.all("Set-Cookie") == []
            assert "did not come from a page of this service" in answer.text
    assert await everything(app) == before


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
async def test_unknown_addresses_too(app: Quart, method: str) -> None:
    """A route that is added later is covered before anybody thinks of it."""
    assert (await send(app, method, "/later", headers=[("Origin", "null")])).status == 403
    assert (await send(app, method, "/later", headers=[("Origin", "http://localhost")])).status in (
        404,
        405,
    )


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
async def test_signing_in_from_elsewhere(
    app: Quart, nobody: Browser, headers: dict[str, str]
) -> None:
    """Another site cannot sign a visitor in to an account of its own, nor make one for them."""
    await add_user(app, "eve@example.com")
    for path in ("/login", "/register"):
        form = {"email": "eve@example.com", "password": PASSWORD, "confirm": PASSWORD}
        response = await nobody.client.post(path, form=form, headers=headers)
        assert response.status_code == 403
    assert nobody.cookie() is None


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
async def test_reading_from_elsewhere(alice: Person, headers: dict[str, str]) -> None:
    """A link on another site leads here: what changes nothing needs no proof."""
    assert (await alice.get("/books/", headers=headers)).status_code == 200


async def test_scripts_may_send_fetch_metadata(app: Quart, alice: Person) -> None:
    response = await alice.client.post("/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert response.status_code == 303


async def test_no_cors(app: Quart, alice: Person) -> None:
    """No answer invites another site to read it, preflight or not."""
    for method in ("GET", "OPTIONS"):
        for path in ("/", "/books/", "/livez", "/nowhere", "/api/v1/nowhere", "/static/app.css"):
            for origin in ("https://evil.example", "null", "http://localhost"):
                sent = [
                    ("Origin", origin),
                    ("Access-Control-Request-Method", "POST"),
                    ("Access-Control-Request-Headers", "content-type"),
                    ("Cookie", f"readlog-session={alice.cookie()}"),
                ]
                answer = await send(app, method, path, headers=sent)
                assert not [
                    name for name, _ in answer.headers if name.startswith("access-control-")
                ]


class TestInProduction:
    """Where the proxy speaks HTTPS and passes the request on by HTTP."""

    pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        return production(database_url, ALLOWED_HOSTS="www.example.org")

    @pytest.mark.parametrize("host", [HOST, "www.example.org", HOST.upper()])
    @pytest.mark.parametrize(
        ("origin", "status"),
        [
            (ORIGIN, 303),
            ("http://books.example.org", 403),
            ("http://www.example.org", 403),
            ("null", 403),
            ("https://evil.example", 403),
        ],
    )
    async def test_origin(self, app: Quart, host: str, origin: str, status: int) -> None:
        answer = await send(app, "POST", "/logout", headers=[("Host", host), ("Origin", origin)])
        assert answer.status == status

    async def test_origin_of_another_own_host(self, app: Quart) -> None:
        """A second name of ours is itself, but not the first."""
        browser = secure_browser(app)
        www = {"Host": "www.example.org", "Origin": "https://www.example.org"}
        assert (await browser.post("/logout", headers=www)).status_code == 303
        www = {"Origin": "https://www.example.org"}
        assert (await browser.post("/logout", headers=www)).status_code == 403
