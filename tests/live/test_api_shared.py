"""The API's promises hold for the service as a whole, not for each of its processes."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from service.app import create_app
from service.books.rules import MAX_BOOKS
from service.config import Settings
from tests.live.sockets import Answer, Connection, ask, request
from tests.live.test_limits_shared import one_to_each_process
from tests.people import add_books
from tests.servers import gunicorn

BOOK = {"title": "Middlemarch", "author": "George Eliot", "rating": 5}
ACCOUNT = {"email": "alice@example.com", "password": "correct horse battery"}
JSON = "Content-Type: application/json"
EACH = 25


async def sign_in(url: str) -> str:
    """Register, and make a token; returns the header to send."""
    for path, more in (("users", {}), ("tokens", {"name": "a program"})):
        body = json.dumps(ACCOUNT | more).encode()
        answer = await ask(url, "POST", f"/api/v1/{path}", JSON, body=body)
        assert answer.status == 201, answer.body
    return f"Authorization: Bearer {json.loads(answer.body)['token']}"


async def test_fifty_repeats(environment: dict[str, str]) -> None:
    """Fifty of one request to two processes at once: one book, one answer."""
    body = json.dumps(BOOK).encode()
    with gunicorn(environment, app="tests.live.counted:create_app()") as server:
        url = server.url
        token = await sign_in(url)
        headers = (token, JSON, "Idempotency-Key: one")
        processes: Counter[str] = Counter()
        waits: Counter[int] = Counter()

        async def until_done(connection: Connection) -> Answer:
            while True:
                await connection.send(request(url, "POST", "/api/v1/books", *headers, body=body))
                answer = await connection.answer()
                assert answer is not None
                if answer.status not in (409, 503):
                    processes[answer.headers["x-process"]] += 1
                    return answer
                assert int(answer.headers["retry-after"]) >= 1
                waits[answer.status] += 1
                await asyncio.sleep(0.05)

        async with AsyncExitStack() as stack:
            both = await one_to_each_process(stack, url)
            others = [
                await stack.enter_async_context(Connection.to(url)) for _ in range(2 * EACH - 2)
            ]
            answers = await asyncio.gather(*map(until_done, [*both, *others]))
        listed = await ask(url, "GET", "/api/v1/books", token)
        log = server.log()
    assert len(processes) == 2
    assert [it.status for it in answers] == [201] * 2 * EACH
    assert len({it.body for it in answers}) == 1
    assert sum("idempotency-replayed" not in it.headers for it in answers) == 1
    assert [book["id"] for book in json.loads(listed.body)["items"]] == [
        json.loads(answers[0].body)["id"]
    ]
    assert "unforeseen error" not in log


async def test_bound_of_a_list(environment: dict[str, str], tmp_path: Path) -> None:
    """Two processes that add at once fill a list to its last place, and no further."""
    places, body = 10, json.dumps(BOOK).encode()
    with gunicorn(environment, app="tests.live.counted:create_app()") as server:
        url = server.url
        token = await sign_in(url)
        app = create_app(Settings.from_env(environment, root=tmp_path))
        async with app.test_app():
            await add_books(app, 1, MAX_BOOKS - places)

        async def add(connection: Connection) -> tuple[int, str]:
            while True:  # SQLite lets one wait for another so long only
                await connection.send(request(url, "POST", "/api/v1/books", token, JSON, body=body))
                answer = await connection.answer()
                assert answer is not None
                if answer.status != 503:
                    return answer.status, answer.headers["x-process"]

        async with AsyncExitStack() as stack:
            both = await one_to_each_process(stack, url)
            others = [await stack.enter_async_context(Connection.to(url)) for _ in range(28)]
            answers = await asyncio.gather(*map(add, [*both, *others]))
    assert Counter(status for status, _ in answers) == {201: places, 409: 30 - places}
    assert len({process for _, process in answers}) == 2


async def test_fifty_of_one(environment: dict[str, str]) -> None:
    """Fifty registrations of one address make one account, fifty deletions end one book (S62)."""
    with gunicorn(environment, app="tests.live.counted:create_app()") as server:
        url = server.url
        processes: Counter[str] = Counter()

        async def at_once(method: str, path: str, *headers: str, body: bytes = b"") -> Counter[int]:
            async def until_served(connection: Connection) -> int:
                while True:
                    await connection.send(request(url, method, path, *headers, body=body))
                    answer = await connection.answer(method)
                    assert answer is not None
                    if answer.status != 503:  # more to be hashed than a process takes on
                        processes[answer.headers["x-process"]] += 1
                        return answer.status
                    await asyncio.sleep(0.2)

            async with AsyncExitStack() as stack:
                both = await one_to_each_process(stack, url)
                others = [
                    await stack.enter_async_context(Connection.to(url)) for _ in range(2 * EACH - 2)
                ]
                return Counter(await asyncio.gather(*map(until_served, [*both, *others])))

        body = json.dumps(ACCOUNT | {"email": "carol@example.com"}).encode()
        assert await at_once("POST", "/api/v1/users", JSON, body=body) == {201: 1, 409: 49}
        token = await sign_in(url)
        book = json.dumps(BOOK).encode()
        made = await ask(url, "POST", "/api/v1/books", token, JSON, body=book)
        assert await at_once("DELETE", made.headers["location"], token) == {204: 1, 404: 49}
        log = server.log()
    assert len(processes) == 2
    assert "unforeseen error" not in log


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_revoked_everywhere(environment: dict[str, str]) -> None:
    """A token that one process revokes is refused by the other from its next request on."""
    with gunicorn(environment, app="tests.live.counted:create_app()") as server:
        url = server.url
        token = await sign_in(url)
        async with AsyncExitStack() as stack:
            here, there = await one_to_each_process(stack, url)
            statuses = []
            for connection, method, path in (
                (there, "GET", "/api/v1/books"),
                (here, "DELETE", "/api/v1/tokens/current"),
                (there, "GET", "/api/v1/books"),
                (here, "GET", "/api/v1/books"),
            ):
                await connection.send(request(url, method, path, token))
                answer = await connection.answer(method)
                assert answer is not None
                statuses.append(answer.status)
    assert statuses == [200, 204, 401, 401]
