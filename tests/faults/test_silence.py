"""A database that says nothing, or little, or not what became of a commit."""

import asyncio
import time

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

PROMISE = 5.0  # seconds until every request is answered, whatever the database does
NOISE = 2.0  # times as long, on a machine that does other things meanwhile
# Longer than a connection may be idle unseen, and than any one time-out.
SILENCE = scale(7.0, 60.0)  # seconds
STEP = scale(40, 3)  # bytes


async def test_black_hole(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """Nobody waits much longer than four seconds, whatever they were at when it fell silent."""
    history = History(service.url)
    with history.load(readers):
        await asyncio.sleep(1)
        silent = time.monotonic()
        proxy.swallow()
        slowest = 0.0
        while (asked := time.monotonic()) - silent < SILENCE:
            for path in ("/livez", "/login", "/static/app.css"):
                answer = await send(service.url, "GET", path)
                assert answer is not None
                assert answer.status == 200, path
            slowest = max(slowest, time.monotonic() - asked)
            await asyncio.sleep(0.2)
        assert await ready(service.url, 503)()
        proxy.up()
        back = time.monotonic()
        await eventually(ready(service.url), within=BACK * NOISE)
        await recovered(history, back)
    await history.finish()
    check_answers(history.operations, within=PROMISE * NOISE)
    during = [op for op in history.since(silent) if op.began < back - 1]
    # What the machine, and not the database, makes people wait for, others waited for as well.
    assert typical(during) <= PROMISE + slowest
    # Each reader's next operation begins when the last has ended: they do not pile up, or stop.
    assert len(during) >= len(readers)
    check_rows(history, database)


def typical(operations: list[Operation]) -> float:
    """The seconds that nine of ten stay below."""
    return sorted(operation.seconds for operation in operations)[len(operations) * 9 // 10]


async def test_slow(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """With 300 ms for each round trip some may be asked to try later; most are served."""
    history = History(service.url)
    proxy.delay(0.15)

    async def most_are_served() -> bool:
        served = [op.outcome != "unknown" for op in history.since(time.monotonic() - 5)]
        return sum(served) > max(len(served) / 2, len(readers))

    with history.load(readers):
        # Connecting alone is a dozen of them; it takes longer than anybody waits for it.
        await eventually(most_are_served, within=30)
        await asyncio.sleep(scale(0, 60))
        await eventually(most_are_served, within=30)
        proxy.up()
    await history.finish()
    check_answers(history.operations)
    check_rows(history, database)


async def test_answer_to_a_commit_is_lost(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """503, and the book is there or not: we do not write it a second time by ourselves."""
    history = History(service.url)
    for reader in readers[:5]:
        cuts = proxy.cuts
        proxy.cut_on(b"COMMIT\0")  # not "READ COMMITTED"
        operation = await history.do("add", reader)
        assert proxy.cuts == cuts + 1
        assert operation.answer is not None
        assert is_try_later(operation.answer)
        check_rows(history, database)
        assert database.value(f"SELECT count(*) FROM books WHERE title = '{operation.text}'") == 1
        assert (await history.do("list", reader)).status == 200


async def test_cut_anywhere(
    service: Gunicorn, proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """Whichever byte is the last that the database hears of a write."""
    history = History(service.url)
    await history.do("add", readers[0])
    for count in range(0, 1200, STEP):
        proxy.cut_after(count)
        await history.do("add", readers[count // STEP % 7])
    check_answers(history.operations)
    assert proxy.cuts > 10
    proxy.up()
    await eventually(ready(service.url), within=BACK)
    assert (await history.do("add", readers[0])).status == 303
    check_rows(history, database)
