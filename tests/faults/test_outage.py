"""The database goes away under load, in several ways and time after time, and comes back."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.faults.history import (
    History,
    Operation,
    Reader,
    check_answers,
    check_rows,
    is_try_later,
    send,
)
from tests.faults.proxy import Proxy
from tests.faults.scale import scale
from tests.faults.waiting import BACK, ready, recovered
from tests.migrations.databases import Database
from tests.servers import Gunicorn
from tests.waiting import eventually

# Waits for the processes, so that their connections are closed when it returns.
TERMINATE = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
ROUNDS = scale(1, 4)  # of three cycles each
AWAY = scale(1.0, 20.0)  # seconds in each

Break = Callable[[Proxy, Database], Awaitable[None]]


async def refuse(proxy: Proxy, database: Database) -> None:
    proxy.down()
    await asyncio.sleep(AWAY)
    proxy.up()


async def reset(proxy: Proxy, database: Database) -> None:
    await again_and_again(proxy.reset)


async def terminate(proxy: Proxy, database: Database) -> None:
    await again_and_again(lambda: database.rows(TERMINATE))


async def again_and_again(act: Callable[[], object]) -> None:
    until = time.monotonic() + AWAY
    while time.monotonic() < until:
        await asyncio.to_thread(act)
        await asyncio.sleep(0.05)


async def many_since(history: History, moment: float, readers: list[Reader]) -> bool:
    """Whether every reader was answered since then, on the average."""
    return len(history.since(moment)) >= len(readers)


def later(operation: Operation) -> bool:
    return operation.answer is not None and is_try_later(operation.answer)


async def test_refused(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """While it is away 503, or what needs no database; soon after its return everything."""
    history = History(service.url)
    with history.load(readers):
        began = time.monotonic()
        await eventually(lambda: many_since(history, began, readers))
        proxy.down()
        away = time.monotonic()
        await eventually(lambda: many_since(history, away, readers))
        for path in ("/livez", "/login", "/register", "/static/app.css"):
            answer = await send(service.url, "GET", path)
            assert answer is not None
            assert answer.status == 200, path
        probe = await send(service.url, "GET", "/readyz")
        assert probe is not None
        assert probe.status == 503
        gone = history.since(away)
        proxy.up()
        back = time.monotonic()
        await eventually(ready(service.url), within=BACK)
        await recovered(history, back)
    await history.finish()
    check_answers(history.operations, within=10)
    assert gone
    assert not [op for op in gone if op.kind != "wrong" and not later(op)]
    check_rows(history, database)


async def test_cycles(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """Time after time, in turn refused, reset and ended: never worse than 503, and soon well."""
    history = History(service.url)
    with history.load(readers):
        for break_it in (refuse, reset, terminate) * ROUNDS:
            began = time.monotonic()
            await asyncio.sleep(0.5)
            assert all(op.outcome != "unknown" for op in history.since(began))
            await break_it(proxy, database)
            await recovered(history, time.monotonic())
    await history.finish()
    check_answers(history.operations, within=10)
    assert any(op.status == 503 for op in history.operations)
    check_rows(history, database)


async def test_idle_connections_die(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """Connections that were ended while nobody used them cost nobody an answer."""
    history = History(service.url)

    async def none_left() -> bool:
        return proxy.connections == 0

    for _ in range(scale(5, 50)):
        await asyncio.gather(*(history.do("list", reader) for reader in readers))
        await asyncio.to_thread(database.rows, TERMINATE)
        await eventually(none_left, within=10)
        await asyncio.sleep(0.1)
        await asyncio.gather(*(history.do("add", reader) for reader in readers))
    assert [op for op in history.operations if op.outcome != "ok"] == []
    check_rows(history, database)
