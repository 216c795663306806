"""How a request runs: its body is read when a view wants it, and its address by the path alone."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from quart import Quart, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from service.web.connection import Application, Body
from service.web.guards import FormRequest
from tests.wire import send

GONE = {"type": "http.disconnect"}


@pytest.fixture
def app() -> Quart:
    """Without a database: an echo of the body, and its size as it comes."""
    app = Application(__name__)
    app.request_class = FormRequest
    app.config["MAX_CONTENT_LENGTH"] = 8

    @app.route("/echo", methods=["GET", "POST"])
    async def echo() -> bytes:
        data: Any = await request.get_data(as_text=False)
        assert data == await request.body, "read once, it is there again"
        return bytes(data)

    @app.post("/parts")
    async def parts() -> list[str]:
        return [part.decode() async for part in request.body]

    return app


def receiver(body: Body, *messages: dict[str, Any]) -> Body:
    """The body with a server behind it that has these messages, and then nothing for ever."""
    left: Iterator[dict[str, Any]] = iter(messages)

    async def receive() -> Any:
        for message in left:
            return message
        return await asyncio.Event().wait()

    body.receive = receive
    return body


def part(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


async def iterate(body: Body) -> list[bytes]:
    return [data async for data in body]


async def test_await() -> None:
    body = receiver(Body(4, 4), part(b"ab"), part(b""), part(b"cd", more=False))
    assert [await body, await body] == [b"abcd", b"abcd"]


async def test_iterate() -> None:
    """Each part when it is there, and none that is empty."""
    body = receiver(Body(None, None), part(b"ab"), part(b""), part(b"cd"), part(b"", more=False))
    assert await anext(body) == b"ab"
    assert await iterate(body) == [b"cd"]
    assert await iterate(body) == []


async def test_iterate_over_nothing() -> None:
    assert await iterate(receiver(Body(None, None), part(b"", more=False))) == []


async def test_message_without_a_body() -> None:
    assert await receiver(Body(None, 1), {"type": "http.request"}) == b""


async def test_is_here() -> None:
    body = receiver(Body(4, 4), part(b"ab"), part(b"cd", more=False))
    assert await body.is_here()
    assert await body.is_here()
    assert await body == b"abcd"


async def test_is_not_here() -> None:
    """What has come until then is not lost, whichever way the body is read."""
    assert not await Body(None, None).is_here(), "nobody said that it is complete"
    body = receiver(Body(4, 4), part(b"ab"))
    assert not await body.is_here()
    receiver(body, part(b"cd", more=False))
    assert await body == b"abcd"

    body = receiver(Body(4, 4), part(b"ab"), part(b"c"))
    assert not await body.is_here()
    receiver(body, part(b"d", more=False))
    assert await iterate(body) == [b"ab", b"c", b"d"]


async def test_is_here_raises_nothing() -> None:
    assert not await receiver(Body(5, 4), part(b"abcde", more=False)).is_here()
    body = receiver(Body(4, 4), part(b"ab"), GONE, GONE)
    assert not await body.is_here()
    with pytest.raises(ClientDisconnected):
        await body


async def test_announced_too_large() -> None:
    """Refused before anything is received."""
    for read in (iterate, asyncio.ensure_future):
        body = receiver(Body(5, 4))
        with pytest.raises(RequestEntityTooLarge, match="At most"):
            await read(body)


async def test_received_too_large() -> None:
    """More than was announced, or without an announcement: refused whenever it is read again."""
    for last in (True, False):
        body = receiver(Body(None, 4), part(b"abc"), part(b"de", more=not last))
        for _ in range(2):
            with pytest.raises(RequestEntityTooLarge):
                await body

        body = receiver(Body(1, 4), part(b"abc"), part(b"de", more=not last))
        assert await anext(body) == b"abc"
        for _ in range(2):
            with pytest.raises(RequestEntityTooLarge):
                await anext(body)


async def test_limit_is_raised() -> None:
    body = receiver(Body(5, 4), part(b"abc"), part(b"de", more=False))
    with pytest.raises(RequestEntityTooLarge):
        await body
    body.limit = 5
    assert await body == b"abcde"


async def test_disconnect_in_the_middle() -> None:
    body = receiver(Body(4, 4), part(b"ab"), GONE, GONE)
    for _ in range(2):
        with pytest.raises(ClientDisconnected):
            await body

    body = receiver(Body(4, 4), part(b"ab"), GONE)
    assert await anext(body) == b"ab"
    with pytest.raises(ClientDisconnected):
        await anext(body)


async def test_filled_by_quart() -> None:
    """What Quart's own class takes from others, ours takes, too."""
    body = Body(None, 4)
    body.set_result(b"abcd")
    assert await body.is_here()
    assert await body == b"abcd"
    body.clear()
    assert await body == b""

    body = Body(None, 4)
    body.set_result(b"abcd")
    assert await iterate(body) == [b"abcd"]

    body = Body(None, None)
    reader = asyncio.create_task(iterate(body))
    await asyncio.sleep(0)
    body.set_complete()
    assert await reader == []


async def test_filled_by_quart_with_too_much() -> None:
    for read in (iterate, asyncio.ensure_future):
        body = Body(None, 4)
        body.set_result(b"abcde")
        assert not await body.is_here()
        with pytest.raises(RequestEntityTooLarge):
            await read(body)


async def test_request_context(app: Quart) -> None:
    """Quart's way to test what needs a request: it makes one that no server has sent."""
    async with app.test_request_context("/echo?a=b"):
        assert request.args["a"] == "b"
        assert request.endpoint == "echo"
        assert await request.get_data() == b""
    async with app.test_request_context("/echo", method="POST", data="text"):
        assert await request.get_data(as_text=True) == "text"
    async with app.test_request_context("/echo", method="POST", json={"a": [1]}):
        assert await request.get_json() == {"a": [1]}
    async with app.test_request_context("/echo", method="POST", form={"name": "é & ü"}):
        form = await request.form
        assert form.to_dict() == {"name": "é & ü"}


async def test_over_the_wire(app: Quart) -> None:
    for parts in ([b"abcd"], [b"ab", b"", b"cd"], [b""]):
        answer = await send(app, "POST", "/echo", body=parts)
        assert (answer.status, answer.body) == (200, b"".join(parts))
    assert (await send(app, "POST", "/parts", body=[b"ab", b"", b"cd"])).text == '["ab","cd"]\n'
    assert (await send(app, "POST", "/echo", body=[b"12345", b"6789"])).status == 413
    assert (await send(app, "POST", "/parts", body=[b"12345", b"6789"])).status == 413
    answer = await send(app, "GET", "/echo", body=b"means nothing")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("host", ["", "a..b", "." * 300, "a" * 64, "ä".encode(), b"\xff", "[::1"])
async def test_host_is_not_looked_at(app: Quart, host: bytes | str) -> None:
    """What may be a Host is for the guards to say; the router does not break over one."""
    assert (await send(app, "GET", "/echo", headers=[("Host", host)])).status == 200
    assert (await send(app, "GET", "/nowhere", headers=[("Host", host)])).status == 404


async def test_headers_by_any_spelling(app: Quart) -> None:
    @app.get("/headers")
    async def headers() -> list[Any]:
        found = request.headers
        return [found["x-one"], found.get("X-NONE"), "x-ONE" in found, found.getlist("x-One")]

    sent = [("x-one", "1"), ("X-One", "2")]
    assert (await send(app, "GET", "/headers", headers=sent)).text == '["1",null,true,["1","2"]]\n'


async def test_no_view_is_cancelled(app: Quart) -> None:
    """The client is gone while the view works: it works to its end, and nobody is told."""
    done = []

    @app.post("/slow")
    async def slow() -> str:
        with pytest.raises(ClientDisconnected):
            await request.body
        await asyncio.sleep(0)
        done.append(True)
        return ""

    async def receive() -> Any:
        return GONE

    async def refuse(_message: Any) -> None:
        raise OSError

    async with app.test_request_context("/slow", method="POST") as context:
        scope: Any = context.request.scope
    connection: Any = app.asgi_http_class(app, scope)
    await connection(receive, refuse)
    assert done == [True]


def test_urls_outside_of_a_request(app: Quart) -> None:
    assert app.create_url_adapter(None) is None
    app.config["SERVER_NAME"] = "books.example"
    adapter = app.create_url_adapter(None)
    assert adapter is not None
    assert adapter.build("echo", force_external=True) == "http://books.example/echo"
