"""The database goes away under load, in several ways, and comes back."""

import asyncio
import time

from tests.faults.history import History, Reader, check_answers, check_rows, is_try_later, send
from tests.faults.proxy import Proxy
from tests.faults.waiting import eventually, ready
from tests.migrations.databases import Database
from tests.servers import Gunicorn

TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
BACK = 5.0  # seconds until everything works again


async def test_refused(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """While it is away 503, or what needs no database; soon after its return everything."""
    history = History(service.url)
    with history.load(readers):
        await asyncio.sleep(1)
        away = time.monotonic()
        proxy.down()
        await asyncio.sleep(1.5)
        for path in ("/livez", "/login", "/register", "/static/app.css"):
            answer = await send(service.url, "GET", path)
            assert answer is not None
            assert answer.status == 200, path
        probe = await send(service.url, "GET", "/readyz")
        assert probe is not None
        assert probe.status == 503
        gone = history.since(away + 0.5)
        proxy.up()
        back = time.monotonic()
        await eventually(ready(service.url), within=BACK)
        await asyncio.sleep(max(0.0, BACK - (time.monotonic() - back)))
        await asyncio.sleep(1)
    await history.finish()
    check_answers(history.operations, within=10)
    assert gone
    assert all(op.answer and is_try_later(op.answer) for op in gone if op.kind != "wrong")
    assert all(op.outcome != "unknown" for op in history.since(back + BACK))
    assert any(op.outcome == "ok" for op in history.since(back + BACK))
    check_rows(history, database)


async def test_terminated_and_reset(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """Ended a hundred times over, open transactions and all; no dead connection is left to use."""
    history = History(service.url)
    with history.load(readers, each=2, pause=0.005):
        for number in range(40):
            await asyncio.sleep(0.05)
            if number % 4:
                await asyncio.to_thread(database.rows, TERMINATE)
            else:
                proxy.reset()
    await history.finish()
    check_answers(history.operations, within=10)
    quiet = time.monotonic()
    for _ in range(5):
        await asyncio.gather(*(history.do("list", reader) for reader in readers))
        await asyncio.gather(*(history.do("add", reader) for reader in readers))
    assert all(op.outcome == "ok" for op in history.since(quiet))
    check_rows(history, database)


async def test_idle_connections_die(
    service: Gunicorn, database: Database, readers: list[Reader]
) -> None:
    """Connections that were ended while nobody used them cost nobody an answer."""
    history = History(service.url)
    for _ in range(5):
        await asyncio.gather(*(history.do("list", reader) for reader in readers))
        await asyncio.to_thread(database.rows, TERMINATE)
        await asyncio.sleep(0.2)
        await asyncio.gather(*(history.do("add", reader) for reader in readers))
    assert [op for op in history.operations if op.outcome != "ok"] == []
    check_rows(history, database)
