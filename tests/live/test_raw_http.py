"""What no browser sends: refused or understood, never failed at, and never taken for two."""

import pytest

from tests.live.sockets import Connection, ask, form, form_headers, request
from tests.servers import Gunicorn

LOGIN = form({"email": "nobody@example.com", "password": "not the right one"})
POST = b"POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n" + (
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)
GET = b"GET /login HTTP/1.1\r\nHost: {host}\r\n"

# `{host}` stands for the server's own. The statuses are all that may come back.
REQUESTS: dict[str, tuple[bytes, set[int]]] = {
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", {400}),
    "length twice": (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", {400}),
    "signed length": (POST + b"Content-Length: +3\r\n\r\nabc", {400}),
    "negative length": (POST + b"Content-Length: -3\r\n\r\nabc", {400}),
    "length and chunks": (
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        {400},
    ),
    "chunks and length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        {400},
    ),
    "strange encoding": (POST + b"Transfer-Encoding: gzip, x\r\n\r\n0\r\n\r\n", {400, 501}),
    "bad chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", {400}),
    "endless chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 19 + b"\r\na", {400}),
    "chunks too large": (
        POST
        + b"Transfer-Encoding: chunked\r\n\r\n"
        # More than a whole: not to be kept, whatever is left of it.
        + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 8
        + b"0\r\n\r\n",
        {413},
    ),
    "body too large": (POST + b"Content-Length: 70000\r\n\r\n" + b"a" * 70_000, {413}),
    "header too large": (GET + b"X-Large: " + b"a" * 65_536 + b"\r\n\r\n", {400, 431}),
    "many headers": (GET + b"".join(b"X-%d: 1\r\n" % n for n in range(5000)) + b"\r\n", {400, 431}),
    "one header often": (GET + b"X-Same: 1\r\n" * 5000 + b"\r\n", {400, 431}),
    "address too long": (b"GET /login?" + b"a" * 9000 + GET[10:] + b"\r\n", {414}),
    "address far too long": (b"GET /" + b"a" * 100_000 + GET[10:] + b"\r\n", {400, 414}),
    "NUL in path": (b"GET /a\0b HTTP/1.1\r\nHost: {host}\r\n\r\n", {400}),
    "NUL in path, escaped": (b"GET /a%00b HTTP/1.1\r\nHost: {host}\r\n\r\n", {400, 404}),
    "bytes in path": (b"GET /\xff?\xfe HTTP/1.1\r\nHost: {host}\r\n\r\n", {400, 404}),
    "NUL in header": (GET + b"X-Null: a\0b\r\n\r\n", {400}),
    "bytes in cookies": (GET + b"Cookie: \xff=\xfe; readlog-session=\xff\r\n\r\n", {200}),
    "bytes in flash cookie": (GET + b"Cookie: readlog-flash=\x80.\xff\r\n\r\n", {200}),
    "folded header": (GET + b"X-Folded: a\r\n b\r\n\r\n", {400}),
    "space before colon": (GET + b"X-Space : a\r\n\r\n", {400}),
    "no host": (b"GET /login HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (GET + b"Host: evil.example\r\n\r\n", {400}),
    "another's address": (b"GET http://evil.example/profile" + GET[10:] + b"\r\n", {303, 400}),
    "above the root": (b"GET /static/../../pyproject.toml" + GET[10:] + b"\r\n", {404}),
    "above the root, escaped": (b"GET /static/%2e%2e/%2e%2e/app.py" + GET[10:] + b"\r\n", {404}),
    "doubled slash": (b"GET //evil.example/%2f.." + GET[10:] + b"\r\n", {308, 404}),
    "range": (
        b"GET /static/app.css" + GET[10:] + b"Range: bytes=0-0,1-,x\r\n\r\n",
        {200, 206, 416},
    ),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n", {400, 405}),
    "TRACE": (b"TRACE /login HTTP/1.1\r\nHost: {host}\r\n\r\n", {403, 405}),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n", {200, 204, 400, 404}),
    "unknown method": (b"BREW /login HTTP/1.1\r\nHost: {host}\r\n\r\n", {400, 405, 501}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "websocket": (
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        {200, 400, 426},
    ),
    "unknown expectation": (POST + b"Expect: tea\r\nContent-Length: 3\r\n\r\na=b", {417, 422}),
    "strange type": (
        POST[: POST.index(b"Content-Type")] + b"Content-Type: \xff;;=\r\n"
        b"Content-Length: 3\r\n\r\na=b",
        {415},
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_raw_request(shared_server: Gunicorn, name: str) -> None:
    """Answered as it deserves; then the connection serves the next request, or is closed."""
    url = shared_server.url
    data, statuses = REQUESTS[name]
    async with Connection.to(url) as connection:
        await connection.send(data.replace(b"{host}", url.removeprefix("http://").encode()))
        answer = await connection.answer()
        assert answer is not None
        assert answer.status in statuses, answer
        assert "evil" not in answer.headers.get("location", "")
        assert len(answer.headers["x-request-id"]) == 16
        assert answer.headers["x-content-type-options"] == "nosniff"
        await connection.send(request(url, "GET", "/livez"))
        if answer.headers.get("connection") == "close":
            assert await connection.rest() == b""
        else:
            after = await connection.answer()
            assert after is not None
            assert (after.status, after.body) == (200, b'{"status":"ok"}')
    assert (await ask(url)).status == 200


async def test_raw_pipelined(shared_server: Gunicorn) -> None:
    """Requests that arrive together are answered in their order, each once."""
    url = shared_server.url
    marks = {
        "/livez": (200, b'{"status":"ok"}'),
        "/login": (200, b"<h1>Login</h1>"),
        "/nowhere": (404, b"Not Found"),
        "/static/app.css": (200, b":root {"),
    }
    async with Connection.to(url) as connection:
        await connection.send(b"".join(request(url, "GET", path) for path in [*marks] * 10))
        for status, mark in [*marks.values()] * 10:
            answer = await connection.answer()
            assert answer is not None
            assert answer.status == status
            assert mark in answer.body


async def test_raw_pipelined_posts(shared_server: Gunicorn) -> None:
    """A body ends where its length says: what follows is the next request."""
    url = shared_server.url
    headers = form_headers(url)
    data = request(url, "POST", "/login", *headers, body=b"email=&password=")
    async with Connection.to(url) as connection:
        await connection.send(data + request(url, "GET", "/livez") + data)
        answers = [await connection.answer() for _ in range(3)]
    assert [answer and answer.status for answer in answers] == [422, 200, 422]


@pytest.mark.parametrize("wish", ["", "Connection: keep-alive\r\n"])
async def test_raw_http_1_0(shared_server: Gunicorn, wish: str) -> None:
    async with Connection.to(shared_server.url) as connection:
        await connection.send(f"GET /login HTTP/1.0\r\n{wish}\r\n".encode())
        answer = await connection.answer()
        assert answer is not None
        assert answer.status == 200
        assert "transfer-encoding" not in answer.headers
        assert answer.headers["connection"] == "close"
        assert await connection.rest() == b""


@pytest.mark.parametrize("path", ["/", "/livez", "/nowhere", "/profile", "/static/app.css"])
async def test_raw_head(shared_server: Gunicorn, path: str) -> None:
    """HEAD tells what GET would, and sends no body that the next answer could be mistaken for."""
    url = shared_server.url
    own = {"date", "x-request-id", "set-cookie"}
    async with Connection.to(url) as connection:
        await connection.send(request(url, "HEAD", path))
        head = await connection.answer("HEAD")
        await connection.send(request(url, "GET", path))
        get = await connection.answer()
    assert head is not None
    assert get is not None
    assert head.status == get.status
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in get.headers.items() if k not in own
    }


async def test_raw_expect_continue(shared_server: Gunicorn) -> None:
    """Who asks before sending a body is told to go on, or is answered at once."""
    url = shared_server.url
    ask_first = [*form_headers(url), "Expect: 100-continue"]
    async with Connection.to(url) as connection:
        length = f"Content-Length: {len(LOGIN)}"
        await connection.send(request(url, "POST", "/login", *ask_first, length))
        interim = await connection.answer()
        assert interim is not None
        assert interim.status == 100
        await connection.send(LOGIN)
        answer = await connection.answer()
        assert answer is not None
        assert answer.status == 401
    async with Connection.to(url) as connection:
        length = "Content-Length: 10000000"
        await connection.send(request(url, "POST", "/login", *ask_first, length))
        answer = await connection.answer()
        assert answer is not None
        assert answer.status == 413
