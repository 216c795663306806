"""No connection is free, or none to be had; and clients that leave give theirs back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.faults.history import History, Reader, check_answers, check_rows, is_try_later, send
from tests.faults.scale import scale
from tests.migrations.databases import Database
from tests.servers import Gunicorn, gunicorn
from tests.waiting import eventually

CLIENTS = scale(60, 100)
LEAVING = scale(200, 2000)
POOLS = 2 * 10  # connections of two workers
BUSY = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND state <> 'idle' AND application_name = 'readlog'
"""
OPEN = BUSY.replace("AND state <> 'idle'", "")


@asynccontextmanager
async def session(database: Database) -> AsyncIterator[Any]:
    """Somebody else's connection to the database."""
    connection = await asyncpg.connect(database.url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_locked_table(service: Gunicorn, database: Database, readers: list[Reader]) -> None:
    """Many more clients than connections, which wait: soon 503 for each, and then as before."""
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
            took = []
            for path in ("/livez", "/login") * 5:
                began = time.monotonic()
                answer = await send(service.url, "GET", path)
                took.append(time.monotonic() - began)
                assert answer is not None
                assert answer.status == 200
            assert sorted(took)[len(took) // 2] < 1, "what needs no database waited for it"
            await asyncio.gather(*clients)
        waited = history.since(locked)
        assert len(waited) == CLIENTS
        assert all(op.answer and is_try_later(op.answer) for op in waited)
        # Three seconds are promised; this machine does other things meanwhile.
        assert sorted(op.seconds for op in waited)[CLIENTS // 2] < 3 + max(took)
        assert max(op.seconds for op in waited) < 6 + max(took)
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
                statuses = {op.status for op in history.operations}
                assert 503 in statuses
                assert statuses & {200, 303}, "the only connection was of use to nobody"
                assert "unforeseen error" not in service.log()
                check_rows(history, database)
        finally:
            await other.execute("DROP OWNED BY few")
            await other.execute("DROP ROLE few")


async def test_clients_hang_up(
    service: Gunicorn, database: Database, readers: list[Reader]
) -> None:
    """Many leave at any moment; no connection stays busy, and no transaction open."""
    history = History(service.url)
    for start in range(0, LEAVING, 20):
        await asyncio.gather(
            *(
                history.leave("add" if number % 2 else "list", readers[number % len(readers)])
                for number in range(start, start + 20)
            )
        )

    async def all_idle() -> bool:
        return bool(database.value(BUSY) == 0)

    await eventually(all_idle, within=10)
    assert database.value(OPEN) <= POOLS
    assert database.value("SELECT count(*) FROM books") > 0
    check_rows(history, database)
    left = time.monotonic()
    # Every connection of the pools is there to be used: more at once than one process has.
    await asyncio.gather(*(history.do("list", reader) for reader in readers * 3))
    assert {op.status for op in history.since(left)} == {200}


def as_role(url: str, role: str) -> str:
    """A URL with another user, whose password is the name."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:{role}@{rest.partition('@')[2]}"
