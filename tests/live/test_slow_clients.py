"""Clients that are slow on purpose are hung up on, and nobody else notices that they were there."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.live.processes import PATIENCE, errors
from tests.live.sockets import Connection, ask, form_headers, post, request
from tests.servers import Gunicorn, gunicorn

CLIENTS = 50
PATIENT = 10.0  # seconds, several times what the worker waits
EVERY = PATIENCE / 5

# What each client sends at once, and then piece by piece for ever.
BEGINNINGS: dict[str, tuple[str, bytes]] = {
    "silent": ("", b""),
    "partial headers": ("GET /livez HTTP/1.1\r\nX-Slow: ", b"a"),
    "header by header": ("GET /livez HTTP/1.1\r\n", b"X-Slow: a\r\n"),
    "slow body": ("POST /login HTTP/1.1\r\n{form}Content-Length: 1000\r\n\r\n", b"a"),
    "slow chunks": (
        "POST /login HTTP/1.1\r\n{form}Transfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n",
    ),
    "no body": ("POST /login HTTP/1.1\r\n{form}Content-Length: 1000\r\n\r\n", b""),
    "body after answer": ("POST /login HTTP/1.1\r\n{form}Content-Length: 99999\r\n\r\n", b"a"),
    "body with GET": ("GET /login HTTP/1.1\r\n{form}Content-Length: 1000\r\n\r\n", b"a"),
    "empty lines": ("GET /livez HTTP/1.1\r\n{form}\r\n", b"\r\n"),
}


@pytest.fixture(scope="module")
def impatient_server(module_environment: dict[str, str]) -> Iterator[Gunicorn]:
    worker_class = "tests.live.impatient.Worker"
    with gunicorn(module_environment, worker_class=worker_class, args=["--keep-alive=1"]) as server:
        yield server
        assert errors(server.log()) == []


async def be_slow(url: str, beginning: bytes, piece: bytes) -> None:
    """Begin, go on slowly, and return as soon as the server hangs up."""
    async with Connection.to(url) as connection:
        await connection.send(beginning)

        async def go_on() -> None:
            while True:
                await asyncio.sleep(EVERY)
                await connection.send(piece)

        async with asyncio.timeout(PATIENT):
            dripping = asyncio.create_task(go_on())
            try:
                await connection.rest()
            finally:
                dripping.cancel()
                await asyncio.gather(dripping, return_exceptions=True)


@pytest.mark.parametrize("kind", BEGINNINGS)
async def test_slow_clients(impatient_server: Gunicorn, kind: str) -> None:
    """Fifty of them are closed in a bounded time; meanwhile everybody else is served."""
    url = impatient_server.url
    beginning, piece = BEGINNINGS[kind]
    headers = [f"Host: {url.removeprefix('http://')}", *form_headers(url), ""]
    data = beginning.replace("{form}", "\r\n".join(headers)).encode()
    slow = asyncio.gather(*(be_slow(url, data, piece) for _ in range(CLIENTS)))
    slowest, served = 0.0, 0
    while not slow.done() or served == 0:
        started = time.monotonic()
        assert (await ask(url)).status == 200
        assert (await post(url, "/login", {"email": "", "password": ""})).status == 422
        slowest, served = max(slowest, time.monotonic() - started), served + 1
        await asyncio.sleep(0.1)
    await slow
    assert slowest < PATIENT / 2


async def test_slow_client_is_told(impatient_server: Gunicorn) -> None:
    """A body that does not arrive is answered, for the sake of those on a bad line."""
    url = impatient_server.url
    async with Connection.to(url) as connection:
        lengthy = [*form_headers(url), "Content-Length: 1000"]
        await connection.send(request(url, "POST", "/login", *lengthy))
        answer = await connection.answer()
        assert answer is not None
        assert answer.status == 408


async def test_slow_readers(impatient_server: Gunicorn) -> None:
    """Who asks for much and reads nothing of it is hung up on as well."""
    url = impatient_server.url
    asked = 2000  # more answers than fit into the buffers of both sides' kernels
    whole = asked * len((await ask(url, "GET", "/static/app.css")).body)

    async def read_nothing() -> None:
        async with Connection.to(url, buffer=4096) as connection:
            await connection.send(request(url, "GET", "/static/app.css") * asked)
            await asyncio.sleep(5 * PATIENCE)  # to write until it cannot, and to wait as it does
            assert len(await connection.rest()) < whole

    async with asyncio.timeout(2 * PATIENT):
        await asyncio.gather(*(read_nothing() for _ in range(3)))
    assert (await ask(url)).status == 200
