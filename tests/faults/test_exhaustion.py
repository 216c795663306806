"""No connection is free, or none to be had; and clients that leave give theirs back."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.faults.history import History, Reader, check_answers, check_rows, is_try_later, send
from tests.faults.waiting import eventually
from tests.live.sockets import Connection, form, form_headers, request
from tests.migrations.databases import Database
from tests.servers import Gunicorn, gunicorn

CLIENTS = 60
BUSY = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND state <> 'idle' AND application_name = 'readlog'
"""


@asynccontextmanager
async def session(database: Database) -> AsyncIterator[Any]:
    """Somebody else's connection to the database."""
    connection = await asyncpg.connect(database.url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_locked_table(service: Gunicorn, database: Database, readers: list[Reader]) -> None:
    """Sixty clients on twenty connections that wait: soon a 503 for each, and then as before."""
    history = History(service.url)
    await asyncio.gather(*(history.do("list", reader) for reader in readers))
    async with session(database) as other:
        locked = time.monotonic()
        async with other.transaction():
            await other.execute("LOCK TABLE books")
            clients = [
                asyncio.create_task(
                    history.do("add" if number % 3 else "list", readers[number % 10])
                )
                for number in range(CLIENTS)
            ]
            began = time.monotonic()
            for _ in range(5):
                for path in ("/livez", "/login"):
                    answer = await send(service.url, "GET", path)
                    assert answer is not None
                    assert answer.status == 200
            assert time.monotonic() - began < 3, "what needs no database waited for it"
            await asyncio.gather(*clients)
        waited = history.since(locked)
        assert len(waited) == CLIENTS
        assert all(op.answer and is_try_later(op.answer) for op in waited)
        # Three seconds are promised; this machine does other things meanwhile.
        assert sorted(op.seconds for op in waited)[CLIENTS // 2] < 3
        assert max(op.seconds for op in waited) < 6
        unlocked = time.monotonic()
        await asyncio.gather(*(history.do("add", reader) for reader in readers))
        assert all(op.status == 303 for op in history.since(unlocked))
    check_rows(history, database)


async def test_too_many_clients(
    environment: dict[str, str], database: Database, readers: list[Reader]
) -> None:
    """A server that takes no more connections is one that is away for the moment."""
    async with session(database) as other:
        await other.execute("CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 1")
        await other.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO few")
        await other.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO few")
        try:
            few = environment | {"DATABASE_URL": as_role(environment["DATABASE_URL"], "few")}
            with gunicorn(few) as service:
                history = History(service.url)
                for _ in range(3):
                    kinds = ["add" if number % 2 else "list" for number in range(20)]
                    await asyncio.gather(
                        *(
                            history.do(kind, readers[number % 10])  # type: ignore[arg-type]
                            for number, kind in enumerate(kinds)
                        )
                    )
                check_answers(history.operations)
                assert {op.status for op in history.operations} >= {503, 200}
                assert "unforeseen error" not in service.log()
                check_rows(history, database)
        finally:
            await other.execute("DROP OWNED BY few")
            await other.execute("DROP ROLE few")


async def test_clients_hang_up(
    service: Gunicorn, database: Database, readers: list[Reader]
) -> None:
    """Two hundred leave at any moment; no connection stays busy, and no transaction open."""
    history = History(service.url)

    async def leave(number: int) -> None:
        reader = readers[number % len(readers)]
        fields = {"book_title": f"gone-{number}", "book_author": "George Eliot", "book_rating": "4"}
        body = form(fields) if number % 2 else b""
        method, path = ("POST", "/books/add") if body else ("GET", "/books/")
        headers = form_headers(service.url, reader.cookie)
        data = request(service.url, method, path, *headers, body=body)
        async with Connection.to(service.url) as connection:
            # Half of them send everything.
            await connection.send(data[: random.choice([len(data), random.randrange(len(data))])])
            await asyncio.sleep(random.uniform(0, 0.15))
            connection.abort()

    for start in range(0, 200, 20):
        await asyncio.gather(*(leave(number) for number in range(start, start + 20)))

    async def all_idle() -> bool:
        return bool(database.value(BUSY) == 0)

    await eventually(all_idle, within=10)
    titles = [title for (title,) in database.rows("SELECT title FROM books")]
    assert titles
    assert len(titles) == len(set(titles))
    # Every connection of the pools is there to be used: more at once than one process has.
    await asyncio.gather(*(history.do("list", reader) for reader in readers * 3))
    assert {op.status for op in history.operations} == {200}


def as_role(url: str, role: str) -> str:
    """A URL with another user, whose password is the name."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:{role}@{rest.partition('@')[2]}"
