"""What every request must pass before a view sees it."""

from collections.abc import MutableMapping
from typing import Any

import pytest
from quart import Quart

from service.web.request_limits import (
    MAX_ADDRESS,
    MAX_BODY,
    MAX_FORM_FIELDS,
    MAX_HEADER_COUNT,
    MAX_HEADERS,
)
from tests.people import Person
from tests.production import HOST, ORIGIN, production
from tests.wire import send, send_form

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@on_sqlite
class TestInProduction:
    """Hosts and HTTPS."""

    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        return production(database_url, ALLOWED_HOSTS="readlog.onrender.com, internal:8080")

    @pytest.mark.parametrize(
        "host", [HOST, HOST.upper(), "readlog.onrender.com", "internal:8080", "INTERNAL:8080"]
    )
    async def test_own_hosts(self, app: Quart, host: str) -> None:
        assert (await send(app, target="/", headers=[("Host", host)])).status == 200

    @pytest.mark.parametrize(
        "host",
        [
            *("evil.example", "localhost", "127.0.0.1", "", " ", "internal", "internal:80"),
            *(f"{HOST}:8443", f"{HOST}.", f"{HOST}.evil.example", f"evil{HOST}", f"x@{HOST}"),
            *(f"{HOST}/x", f"{HOST}#x", f"{HOST} evil.example", f"{HOST},evil.example", "[::1]"),
            *("*", ".example.org", "[", "a" * 5000, b"\xff\xfe", "books.example.org\x00"),
        ],
    )
    async def test_foreign_hosts(self, app: Quart, host: str | bytes) -> None:
        """Another's name does not lead here; it appears nowhere in the answer."""
        for method, path in (("GET", "/"), ("GET", "/books"), ("POST", "/login")):
            sent = [("Host", host), ("Origin", ORIGIN)]
            answer = await send(app, method, path, headers=sent)
            assert answer.status == 400
            assert answer.all("Location") == []
            assert "evil" not in answer.text

    @pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL"])
    async def test_claimed_hosts(self, app: Quart, name: str) -> None:
        """What a client claims beside Host changes nothing, not even a redirect."""
        value = "host=evil.example" if name == "Forwarded" else "evil.example"
        for path in ("/", "/books", "/books/"):
            answer = await send(app, target=path, headers=[("Host", HOST), (name, value)])
            assert answer.status in (200, 303, 308)
            assert "evil" not in f"{answer.headers}{answer.text}"

    @pytest.mark.parametrize("path", ["/livez", "/readyz"])
    @pytest.mark.parametrize("host", ["evil.example", "10.0.0.1:10000", "", HOST])
    async def test_probes_whatever_the_host(self, app: Quart, path: str, host: str) -> None:
        """Platforms ask by whatever name or address they like, and by HTTP."""
        sent = [("Host", host), ("X-Forwarded-Proto", "http")]
        assert (await send(app, target=path, headers=sent)).status == 200

    @pytest.mark.parametrize(
        "target",
        [
            "/",
            "/login?next=%2Fbooks%2F",
            "/books/?after=7",
            "/nowhere%20at%C3%A4ll",
            "/api/docs",
            "/api/docs?x=%C3%A4#y",
            "/api",
            "//evil.example/",
            "/%0d%0aSet-Cookie:a=b",
            "/a%3Fq%23/",
        ],
    )
    async def test_http_leads_to_https(self, app: Quart, target: str) -> None:
        """To the same path of this site, as it was sent: nothing of it is decoded."""
        for forwarded in ("http", "HTTP", "http, https"):
            sent = [("Host", HOST), ("X-Forwarded-Proto", forwarded)]
            answer = await send(app, target=target, headers=sent)
            assert answer.status == 308
            assert answer.one("Location") == f"{ORIGIN}{target}"

    async def test_http_from_another_own_host(self, app: Quart) -> None:
        """The address that people use is one, and links lead there."""
        sent = [("Host", "readlog.onrender.com"), ("X-Forwarded-Proto", "http")]
        assert (await send(app, target="/", headers=sent)).one("Location") == f"{ORIGIN}/"

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            *(("POST", "/login"), ("GET", "/api/v1/books"), ("POST", "/api/v1/me")),
            *(("GET", "/api/v1/openapi.json"), ("GET", "/api/"), ("POST", "/api/docs")),
        ],
    )
    async def test_http_with_a_secret_is_refused(self, app: Quart, method: str, path: str) -> None:
        """A password or token went in the clear: a redirect would hide that it did."""
        sent = [("Host", HOST), ("X-Forwarded-Proto", "http"), ("Origin", ORIGIN)]
        answer = await send(app, method, path, headers=sent)
        assert answer.status == 403
        assert answer.all("Location") == []

    @pytest.mark.parametrize("path", ["/metrics", "/", "/api/docs"])
    async def test_http_with_a_token_is_refused(self, app: Quart, path: str) -> None:
        """Whatever the address: the program that sent a token in the clear must notice."""
        sent = [("Host", HOST), ("X-Forwarded-Proto", "http"), ("Authorization", "Bearer x")]
        answer = await send(app, target=path, headers=sent)
        assert answer.status == 403
        assert answer.all("Location") == []

    @pytest.mark.parametrize("forwarded", ["https", "", "https, http", "wss", "garbage"])
    async def test_https_is_served(self, app: Quart, forwarded: str) -> None:
        sent = [("Host", HOST), ("X-Forwarded-Proto", forwarded)]
        assert (await send(app, target="/", headers=sent)).status == 200


@on_sqlite
async def test_any_host_in_development(app: Quart) -> None:
    """A phone on the same network may look at what is being developed."""
    assert (await send(app, target="/", headers=[("Host", "192.168.1.5:5000")])).status == 200


def login_body(size: int) -> bytes:
    start = b"email=carol%40example.com&password="
    return start + b"p" * (size - len(start))


@on_sqlite
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (login_body(MAX_BODY), [], 422),
        (login_body(MAX_BODY + 1), [], 413),
        ([b"a" * 1000] * 65, [], 422),
        ([b"a" * 1000] * 66, [], 413),
        ([b"a"] * 70_000, [], 413),
        ([b"a" * 1000] * 66, [("Transfer-Encoding", "chunked")], 413),
        ([b"a" * 1000] * 66, [("Content-Length", "5")], 413),
        (b"email=x", [("Content-Length", str(MAX_BODY + 1))], 413),
        (b"email=x", [("Content-Length", "9" * 300)], 413),
        (b"email=x", [("Content-Length", "5")], 422),
        (b"email=x", [("Content-Length", "many")], 422),
        (b"email=x", [("Content-Length", "-1")], 422),
        (b"&".join([b"a=1"] * MAX_FORM_FIELDS), [], 422),
        (b"&".join([b"a=1"] * (MAX_FORM_FIELDS + 1)), [], 413),
        (b"&".join([b"a=1"] * 10_000), [], 413),
        (b"&" * 10_000, [], 413),
    ],
    ids=lambda value: None if isinstance(value, (list, bytes)) else str(value),
)
async def test_size_of_the_body(
    app: Quart, body: bytes | list[bytes], headers: list[tuple[str, str]], status: int
) -> None:
    """However a body arrives, and whatever it claims to be, no more of it is taken than fits."""
    sent = headers
    if isinstance(body, bytes) and not headers:
        sent = [("Content-Length", str(len(body)))]
    answer = await send_form(app, "/login", body, headers=sent)
    assert answer.status == status


async def test_size_of_the_body_where_none_is_wanted(app: Quart, alice: Person) -> None:
    """A view that reads no form is done without waiting for what is sent along."""
    cookie = ("Cookie", f"readlog-session={alice.cookie()}")
    sent = [cookie, ("Content-Length", "99999999")]
    assert (await send_form(app, "/logout", [b"a" * 1000] * 3, headers=sent)).status == 303


@on_sqlite
@pytest.mark.parametrize(
    ("length", "status"), [(100, 404), (MAX_ADDRESS, 404), (MAX_ADDRESS + 1, 414), (60_000, 414)]
)
async def test_size_of_the_address(app: Quart, length: int, status: int) -> None:
    path = "/nowhere" + "x" * (length - len("/nowhere"))
    assert (await send(app, target=path)).status == status
    query = "/nowhere?" + "x" * (length - len("/nowhere"))
    assert (await send(app, target=query)).status == status


@on_sqlite
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("X-Some", "x")] * (MAX_HEADER_COUNT - 1), 200),
        ([("X-Some", "x")] * MAX_HEADER_COUNT, 431),
        ([("X-Some", "x")] * 5000, 431),
        ([("X-Long", "x" * (MAX_HEADERS - 100))], 200),
        ([("X-Long", "x" * MAX_HEADERS)], 431),
        ([("X" * MAX_HEADERS, "x")], 431),
        ([("Cookie", f"c{n}=" + "x" * 3000) for n in range(11)], 431),
    ],
    ids=range(7),
)
async def test_size_of_the_headers(app: Quart, headers: list[tuple[str, str]], status: int) -> None:
    assert (await send(app, target="/login", headers=headers)).status == status


@on_sqlite
@pytest.mark.parametrize("path", ["/", "/login", "/books/", "/static/app.css", "/api/v1/books"])
@pytest.mark.parametrize("query", [b"next=\xff", b"after=\xc3\xa9", b"v=\xed\xa0\x80", b"\x80"])
async def test_address_not_in_ascii(app: Quart, path: str, query: bytes) -> None:
    """Bytes that some servers pass on as they are, and that Quart cannot decode."""
    for target in (path.encode() + b"?" + query, path.encode() + query):
        assert (await send(app, target=target)).status == 400


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_websocket_is_closed(app: Quart) -> None:
    """There are none here: a handshake is refused before anything looks at it."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def keep(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    await app(scope, receive, keep)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
