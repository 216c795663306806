"""Limits hold for the service as a whole, not for each of its processes."""

import asyncio
import time
from contextlib import AsyncExitStack

from service.limits.rules import LOGIN_PER_ACCOUNT
from tests.live.sockets import Connection, form, form_headers, request
from tests.servers import gunicorn

LONG_ENOUGH = 20.0  # seconds in which one must have met both processes, once both serve


async def one_to_each_process(stack: AsyncExitStack, url: str) -> list[Connection]:
    """A connection to each of two workers: the kernel chooses, so until it has chosen both."""
    found: dict[str, Connection] = {}
    deadline = time.monotonic() + LONG_ENOUGH
    while time.monotonic() < deadline:
        # Several at once: a worker alone could take one after another.
        opened = [await stack.enter_async_context(Connection.to(url)) for _ in range(4)]
        for connection in opened:
            await connection.send(request(url, "GET", "/livez"))
        for connection in opened:
            answer = await connection.answer()
            assert answer is not None
            found.setdefault(answer.headers["x-process"], connection)
        if len(found) == 2:
            return list(found.values())
        await asyncio.sleep(0.1)
    raise AssertionError("one worker takes every connection")


async def test_limits_shared(environment: dict[str, str]) -> None:
    """Two workers together let an account be tried as often as one would, at the same time too."""
    data = form({"email": "alice@example.com", "password": "not the right one"})
    allowed, started = LOGIN_PER_ACCOUNT.count, time.monotonic()
    with gunicorn(environment, app="tests.live.counted:create_app()") as server:
        url = server.url
        attempt = request(url, "POST", "/login", *form_headers(url), body=data)

        async def attempts(connection: Connection) -> list[int]:
            statuses = []
            for _ in range(allowed):
                await connection.send(attempt)
                answer = await connection.answer()
                assert answer is not None
                statuses.append(answer.status)
                if answer.status == 429:
                    assert int(answer.headers["retry-after"]) > 0
            return statuses

        async with AsyncExitStack() as stack:
            connections = await one_to_each_process(stack, url)
            each = await asyncio.gather(*map(attempts, connections))
    assert all(401 in statuses for statuses in each), "one process answered all of them"
    statuses = [status for part in each for status in part]
    # On a machine so slow that the limit lets one more try meanwhile, it may.
    regained = round((time.monotonic() - started) / LOGIN_PER_ACCOUNT.interval)
    assert set(statuses) == {401, 429}
    assert allowed <= statuses.count(401) <= allowed + regained
