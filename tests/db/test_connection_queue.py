"""ConnectionQueue at the connections of a pool."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.db.connection_queue import ConnectionQueue
from service.db.failures import NoFreeConnectionError


async def test_in_the_order_of_coming() -> None:
    queue = ConnectionQueue(1)
    first = await queue.enter()
    came: list[int] = []

    async def come(number: int) -> None:
        start = await queue.enter()
        came.append(number)
        queue.leave(start)

    waiting = [asyncio.create_task(come(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert (queue.in_use, queue.waiting) == (1, 5)
    queue.leave(first)
    await asyncio.gather(*waiting)
    assert came == [0, 1, 2, 3, 4]
    assert (queue.in_use, queue.waiting) == (0, 0)


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.db.connection_queue.POOL_TIMEOUT", 0.01)
    queue = ConnectionQueue(2)
    starts = [await queue.enter(), await queue.enter()]
    with pytest.raises(NoFreeConnectionError):
        await queue.enter()
    assert (queue.in_use, queue.waiting) == (2, 0)
    for start in starts:
        queue.leave(start)
    assert queue.in_use == 0


async def test_expected_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of requests that wait, and by the time that loans have taken lately."""
    clock = 0.0
    monkeypatch.setattr("service.db.connection_queue.time.perf_counter", lambda: clock)
    queue = ConnectionQueue(2)
    for _ in range(200):
        start = await queue.enter()
        clock += 0.1
        queue.leave(start)
    assert queue.expected_wait == 0, "nobody waits"
    async with AsyncExitStack() as stack:
        for _ in range(2):
            stack.callback(queue.leave, await queue.enter())
        waiting = [asyncio.create_task(queue.enter()) for _ in range(10)]
        await asyncio.sleep(0)
        assert queue.expected_wait == pytest.approx(10 * 0.1 / 2, rel=0.01)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert queue.expected_wait == 0
