"""The headers of every answer, of whatever kind."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from quart import Quart

from service.app import create_app
from service.config import Settings
from service.limits.rules import LOGIN_PER_ADDRESS
from tests.people import PASSWORD, add_person
from tests.production import HOST, ORIGIN, production
from tests.servers import free_port
from tests.wire import FORM, Answer, send

POLICY = {
    "default-src": {"'none'"},
    "style-src": {"'self'"},
    "img-src": {"'self'"},
    "object-src": {"'none'"},
    "base-uri": {"'none'"},
    "form-action": {"'self'"},
    "frame-ancestors": {"'none'"},
}
FIXED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
TELLING = ("server", "x-powered-by", "via", "x-aspnet-version", "x-runtime", "date")

Ask = Callable[..., Awaitable[Answer]]


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    return production(database_url)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Quart]:
    """The application in production, with one view that fails."""
    app = create_app(settings)

    @app.get("/fails")
    async def fails() -> str:
        raise RuntimeError("secret detail of /srv/readlog/app.py")

    async with app.test_app():
        yield app


@pytest.fixture
def ask(app: Quart) -> Ask:
    async def ask(method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> Answer:
        given = {name for name, _ in headers}
        own = [("Host", HOST)] if "Host" not in given else []
        if method == "POST":
            own += [("Origin", ORIGIN)] if "Origin" not in given else []
            own += [("Content-Type", FORM)] if "Content-Type" not in given else []
        return await send(app, method, path, headers=[*own, *headers], body=body, scheme="https")

    return ask


def check(answer: Answer, status: int) -> None:
    """Status, and every header once."""
    assert answer.status == status, answer.headers
    policy = [part.split() for part in answer.one("content-security-policy").split(";")]
    assert {name: set(values) for name, *values in policy} == POLICY
    for name, value in FIXED.items():
        assert answer.one(name) == value
    assert "camera=()" in answer.one("permissions-policy")
    seconds, *options = answer.one("strict-transport-security").split("; ")
    assert int(seconds.removeprefix("max-age=")) >= 31_536_000
    assert options == ["includeSubDomains"]
    assert len(answer.one("x-request-id")) >= 8
    assert len(answer.all("cache-control")) == 1
    for name in TELLING:
        assert answer.all(name) == []
    names = [name.lower() for name, _ in answer.headers]
    repeated = {name for name in names if names.count(name) > 1}
    assert repeated <= {"set-cookie"}
    for cookie in answer.all("set-cookie"):
        assert cookie.startswith("__Host-")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


KINDS: list[tuple[int, str, str, list[tuple[str, str]], bytes]] = [
    (200, "GET", "/", [], b""),
    (200, "GET", "/login", [], b""),
    (200, "GET", "/status", [], b""),
    (200, "GET", "/livez", [], b""),
    (200, "GET", "/readyz", [], b""),
    (200, "HEAD", "/register", [], b""),
    (200, "OPTIONS", "/login", [], b""),
    (200, "GET", "/favicon.ico", [], b""),
    (200, "GET", "/static/app.css", [], b""),
    (206, "GET", "/static/app.css", [("Range", "bytes=0-9")], b""),
    (304, "GET", "/static/app.css", [("If-Modified-Since", "Fri, 31 Dec 9999 23:59:59 GMT")], b""),
    (416, "GET", "/static/app.css", [("Range", "bytes=9-1")], b""),
    (303, "GET", "/books/", [], b""),
    (303, "POST", "/logout", [], b""),
    (308, "GET", "/books", [], b""),
    (308, "GET", "/login", [("X-Forwarded-Proto", "http")], b""),
    (400, "GET", "/", [("Host", "evil.example")], b""),
    (400, "POST", "/login", [], b"email=%FF"),
    (401, "POST", "/login", [], b"email=carol%40example.com&password=wrong+horse"),
    (403, "POST", "/login", [("Origin", "https://evil.example")], b""),
    (403, "POST", "/login", [("X-Forwarded-Proto", "http")], b""),
    (404, "GET", "/nowhere", [], b""),
    (404, "GET", "/static/nothing.css", [], b""),
    (404, "GET", "/static/" + "a" * 300, [], b""),
    (404, "GET", "/api/v1/nowhere", [], b""),
    (405, "POST", "/", [], b""),
    (405, "POST", "/static/app.css", [], b""),
    (413, "POST", "/login", [], b"a" * 70_000),
    (414, "GET", "/?" + "a" * 9000, [], b""),
    (415, "POST", "/login", [("Content-Type", "application/json")], b"{}"),
    (422, "POST", "/register", [], b""),
    (431, "GET", "/", [("X-Long", "a" * 40_000)], b""),
    (500, "GET", "/fails", [], b""),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("status", "method", "path", "headers", "body"),
    KINDS,
    ids=[f"{kind[0]} {kind[1]} {kind[2][:16]}" for kind in KINDS],
)
async def test_every_kind_of_answer(
    ask: Ask, status: int, method: str, path: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    check(await ask(method, path, *headers, body=body), status)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_signed_in(app: Quart, ask: Ask) -> None:
    """What is private is kept by nobody: not by a proxy, nor by the browser after signing out."""
    alice = await add_person(app, "alice@example.com")
    cookie = ("Cookie", f"__Host-session={alice.cookie()}")
    [book_id] = await alice.has_books("Emma")
    for path in ("/books/", "/books/add", f"/books/{book_id}/edit", "/profile", "/logout"):
        answer = await ask("GET", path, cookie)
        check(answer, 200)
        assert answer.one("cache-control") == "no-store"
    check(await ask("POST", "/books/add", cookie, body=b"book_title=Emma"), 422)
    check(await ask("POST", f"/books/{book_id}/delete", cookie), 303)
    check(await ask("GET", f"/books/{book_id}/edit", cookie), 404)


async def test_too_many_requests(ask: Ask) -> None:
    # A machine that is slow regains some of the limit meanwhile.
    for number in range(3 * LOGIN_PER_ADDRESS.count):
        body = f"email=user{number}%40example.com&password=wrong+horse".encode()
        answer = await ask("POST", "/login", body=body)
        if answer.status == 429:
            break
    check(answer, 429)
    assert answer.one("retry-after").isdigit()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_login(app: Quart, ask: Ask) -> None:
    await add_person(app, "alice@example.com")
    body = f"email=alice%40example.com&password={PASSWORD.replace(' ', '+')}".encode()
    answer = await ask("POST", "/login", body=body)
    check(answer, 303)
    assert len(answer.all("set-cookie")) == 2
    assert answer.one("cache-control") == "no-store"
    assert answer.one("vary") == "Cookie"


class TestWithoutDatabase:
    """Nothing listens where the database should be."""

    @pytest.fixture
    def environment(self) -> dict[str, str]:
        return production(f"postgresql://u:hunter2@127.0.0.1:{free_port()}/db?sslmode=disable")

    @pytest.mark.parametrize("path", ["/readyz", "/status"])
    async def test_unavailable(self, ask: Ask, path: str) -> None:
        check(await ask("GET", path), 503)

    async def test_alive(self, ask: Ask) -> None:
        check(await ask("GET", "/livez"), 200)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_static_files_are_kept(ask: Ask) -> None:
    """Their address changes with their content, so browsers need not ask again for a year."""
    page = (await ask("GET", "/")).text
    addresses = [part.split('"')[0] for part in page.split('="/static/')[1:]]
    assert len(addresses) >= 3
    for address in addresses:
        assert "?v=" in address
        answer = await ask("GET", f"/static/{address}")
        assert "max-age=31536000" in answer.one("cache-control")
        assert answer.all("set-cookie") == []
        assert answer.all("vary") == []


# The one script that there is, on the page of the API.
OWN_SCRIPT = """<script src="{{ asset('docs.js') }}" defer></script>"""


def test_nothing_of_another_site() -> None:
    """No template or style sheet names a script, a style of its own, or another address."""
    folder = Path(__file__).parents[2] / "service"
    for path in [
        *folder.glob("templates/**/*.html"),
        *folder.glob("static/*.css"),
        *folder.glob("static/*.js"),
    ]:
        source = path.read_text().lower().replace(OWN_SCRIPT, "")
        for forbidden in (
            "<script",
            "<style",
            "style=",
            "onclick",
            "http://",
            "https://",
            "@import",
        ):
            assert forbidden not in source, path


class TestInDevelopment:
    """By HTTP browsers must not be told to come by HTTPS for ever."""

    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        return {"CONFIG_TYPE": "development", "DATABASE_URL": database_url}

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_no_hsts(self, app: Quart) -> None:
        answer = await send(app, target="/")
        assert answer.all("strict-transport-security") == []
        assert answer.one("x-frame-options") == "DENY"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789"])
async def test_static_files_under_other_addresses(ask: Ask, query: str) -> None:
    """What another release names is not pinned: it may be answered by this one during a deploy."""
    answer = await ask("GET", f"/static/app.css{query}")
    assert "max-age=300" in answer.one("cache-control")
