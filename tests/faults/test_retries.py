"""A program that repeats a request, with its key, until it is answered: the book is there once."""

import asyncio
import json
import random
import time
from contextlib import suppress

from tests.faults.history import AUTHOR, RATING, History, Operation, Reader, check_rows
from tests.faults.proxy import Proxy
from tests.faults.scale import scale
from tests.faults.waiting import ready
from tests.live.sockets import Answer, Connection, request
from tests.migrations.databases import Database
from tests.servers import Gunicorn
from tests.waiting import eventually

TRIES = 200
PAUSE = 0.1  # seconds between two of them


async def post(url: str, reader: Reader, title: str) -> Answer | None:
    """One try; None where the connection ended instead."""
    headers = [
        f"Cookie: {reader.cookie}",
        f"Origin: {url}",
        "Content-Type: application/json",
        f"Idempotency-Key: {title}",
        "Connection: close",
    ]
    body = json.dumps({"title": title, "author": AUTHOR, "rating": RATING}).encode()
    with suppress(OSError, asyncio.IncompleteReadError):
        async with Connection.to(url) as connection:
            await connection.send(request(url, "POST", "/api/v1/books", *headers, body=body))
            return await connection.answer("POST")
    return None


async def insist(history: History, reader: Reader, title: str) -> Answer:
    """Try until it is done."""
    began = time.monotonic()
    for _ in range(TRIES):
        answer = await post(history.url, reader, title)
        if answer is not None and answer.status == 201:
            took = time.monotonic() - began
            history.operations.append(Operation("add", reader.id, title, answer, began, took))
            return answer
        assert answer is None or answer.status in (409, 503), answer
        await asyncio.sleep(PAUSE)
    raise AssertionError("never done")


async def test_answer_to_a_commit_is_lost(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """The second try is told what the first one did."""
    history = History(service.url)
    for number, reader in enumerate(readers[:3]):
        proxy.cut_on(b"COMMIT\0")
        first = await post(history.url, reader, f"kept-{number}")
        assert first is not None
        assert first.status == 503
        assert int(first.headers["retry-after"]) > 0
        assert json.loads(first.body)["code"] == "DATABASE_UNAVAILABLE"
        answer = await insist(history, reader, f"kept-{number}")
        assert answer.headers["idempotency-replayed"] == "true"
    check_rows(history, database)


async def test_resets(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """Whatever a reset meets: everybody gets through in the end, and nobody twice."""
    history = History(service.url)
    done = asyncio.Event()

    async def break_it() -> None:
        while not done.is_set():
            proxy.reset()
            # Now and then long enough for a slow machine to get something done.
            await asyncio.sleep(random.choice([0.05, 0.1, 0.2, 0.4, 0.8]))

    async def work(reader: Reader) -> None:
        for number in range(scale(5, 100)):
            await insist(history, reader, f"insisted-{reader.id}-{number}")

    breaking = asyncio.create_task(break_it())
    async with asyncio.timeout(scale(60, 600)):
        await asyncio.gather(*map(work, readers))
    done.set()
    await breaking
    await eventually(ready(service.url), within=5)
    check_rows(history, database)
