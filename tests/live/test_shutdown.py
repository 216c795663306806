"""Stopping loses nothing: what is under way is answered, and then there is nobody left."""

import asyncio
import os
import signal

import pytest

from tests.live.processes import all_started, children, is_alive
from tests.live.sockets import Connection, form, form_headers, post, request
from tests.servers import Gunicorn, gunicorn
from tests.waiting import eventually

PATIENT = 20.0  # seconds; gunicorn's own limit is longer
BOOK = form({"book_title": "Emma", "book_author": "Jane Austen", "book_rating": "5"})


async def exit_code(server: Gunicorn) -> int:
    return await asyncio.to_thread(server.process.wait, PATIENT)


async def sign_up(url: str) -> str:
    """The cookies of somebody new."""
    password = "a calm river in winter"
    fields = {"email": "alice@example.com", "password": password, "confirm": password}
    return (await post(url, "/register", fields)).cookies


async def test_shutdown_under_way(server: Gunicorn) -> None:
    """A form of which the first half was sent before SIGTERM is taken in and answered."""
    url = server.url
    headers = [*form_headers(url, await sign_up(url)), "Expect: 100-continue"]
    await all_started(server)
    workers = children(server.pid)
    async with Connection.to(url) as connection, Connection.to(url) as idle:
        await idle.send(request(url, "GET", "/livez"))
        assert await idle.answer() is not None
        length = f"Content-Length: {len(BOOK)}"
        await connection.send(request(url, "POST", "/books/add", *headers, length))
        interim = await connection.answer()
        assert interim is not None
        assert interim.status == 100  # so the view has begun to read the form
        await connection.send(BOOK[:10])

        async def stopping() -> bool:
            return server.log().count("Shutting down") == 2

        os.kill(server.pid, signal.SIGTERM)
        await eventually(stopping)
        await connection.send(BOOK[10:])
        answer = await connection.answer()
        assert answer is not None
        assert (answer.status, answer.headers["location"]) == (303, "/books/")
        assert await connection.rest() == b""
        assert await idle.rest() == b""
    assert await exit_code(server) == 0
    assert not any(map(is_alive, workers))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_shutdown_tells_whom_it_gives_up(environment: dict[str, str]) -> None:
    """What is not through when the time is up is answered as every other thing that must wait."""
    with gunicorn(environment, args=["--graceful-timeout=6"]) as server:
        url = server.url
        headers = [*form_headers(url), "Expect: 100-continue", "Content-Length: 100"]
        async with Connection.to(url) as connection:
            await connection.send(request(url, "POST", "/login", *headers))
            interim = await connection.answer()
            assert interim is not None
            assert interim.status == 100
            os.kill(server.pid, signal.SIGTERM)
            answer = await connection.answer()
            assert answer is not None
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["connection"] == "close"
            assert b"The service is being restarted." in answer.body
            assert await connection.rest() == b""
        assert await exit_code(server) == 0
        assert "path=/login status=503" in server.log()
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_shutdown_ends_what_hangs(environment: dict[str, str]) -> None:
    """A client that never finishes cannot keep the service from stopping."""
    with gunicorn(environment, worker_class="tests.live.impatient.Worker") as server:
        url = server.url
        headers = [*form_headers(url), "Expect: 100-continue", "Content-Length: 100"]
        async with Connection.to(url) as connection, Connection.to(url) as silent:
            await silent.send(b"GET /")
            await connection.send(request(url, "POST", "/login", *headers))
            interim = await connection.answer()
            assert interim is not None
            os.kill(server.pid, signal.SIGTERM)
            assert await exit_code(server) == 0
