"""Turns at the connections of a pool."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.db.failures import NoFreeConnectionError
from service.db.turns import Turns


async def test_in_the_order_of_coming() -> None:
    turns = Turns(1)
    first = await turns.begin()
    came: list[int] = []

    async def come(number: int) -> None:
        start = await turns.begin()
        came.append(number)
        turns.end(start)

    waiting = [asyncio.create_task(come(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert (turns.in_use, turns.waiting) == (1, 5)
    turns.end(first)
    await asyncio.gather(*waiting)
    assert came == [0, 1, 2, 3, 4]
    assert (turns.in_use, turns.waiting) == (0, 0)


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.db.turns.POOL_TIMEOUT", 0.01)
    turns = Turns(2)
    starts = [await turns.begin(), await turns.begin()]
    with pytest.raises(NoFreeConnectionError):
        await turns.begin()
    assert (turns.in_use, turns.waiting) == (2, 0)
    for start in starts:
        turns.end(start)
    assert turns.in_use == 0


async def test_expected_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of those that wait, and by the time that turns have taken lately."""
    clock = 0.0
    monkeypatch.setattr("service.db.turns.time.perf_counter", lambda: clock)
    turns = Turns(2)
    for _ in range(200):
        start = await turns.begin()
        clock += 0.1
        turns.end(start)
    assert turns.expected_wait == 0, "nobody waits"
    async with AsyncExitStack() as stack:
        for _ in range(2):
            stack.callback(turns.end, await turns.begin())
        waiting = [asyncio.create_task(turns.begin()) for _ in range(10)]
        await asyncio.sleep(0)
        assert turns.expected_wait == pytest.approx(10 * 0.1 / 2, rel=0.01)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert turns.expected_wait == 0
