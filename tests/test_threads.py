"""Work beside the event loop: its priority, its bounds, and what people are told at them."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.exceptions import OverloadedError
from service.threads import MAX_SECONDS, MAX_WAITING, NICER, NICEST, GentleThreads

REFUSAL = "Too much is being done."
NICE = 16  # field of /proc/<pid>/stat behind the command's name
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority on Linux")


@pytest.fixture
def gentle() -> Iterator[GentleThreads]:
    gentle = GentleThreads(2, name="gentle", refusal=REFUSAL)
    yield gentle
    gentle.close()


def nice() -> int:
    """The calling thread's nice value, as the kernel has it."""
    stat = Path(f"/proc/self/task/{threading.get_native_id()}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[NICE])


@on_linux
async def test_priority(gentle: GentleThreads) -> None:
    """Every thread gives way, and nothing but these threads."""
    before = nice()
    both = threading.Barrier(2, timeout=20)

    def work() -> tuple[int, int]:
        both.wait()
        return threading.get_native_id(), nice()

    found = dict(await asyncio.gather(gentle.run(work), gentle.run(work)))
    assert list(found.values()) == [min(NICEST, before + NICER)] * 2
    assert NICER > 0
    assert nice() == before
    assert await asyncio.to_thread(nice) == before


@on_linux
async def test_priority_of_a_nice_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that gives way itself does not get more of the processor by it."""
    monkeypatch.setattr(os, "getpriority", lambda _which, _who: 17)
    gentle = GentleThreads(1, name="gentle", refusal=REFUSAL)
    assert await gentle.run(nice) == NICEST
    gentle.close()


@pytest.mark.parametrize("platform", ["linux", "darwin"])
async def test_no_priority(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    """Work is done where a sandbox forbids it; other systems are not asked for what they lack."""
    asked = []

    def refuse(*arguments: int) -> None:
        asked.append(arguments)
        raise PermissionError

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os, "setpriority", refuse)
    gentle = GentleThreads(1, name="gentle", refusal=REFUSAL)
    assert await gentle.run(lambda: "done") == "done"
    assert len(asked) == (platform == "linux")
    gentle.close()


def takes(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """From now on every piece of work takes so long, by the only clock that is asked."""
    clock = SimpleNamespace(perf_counter=count(step=seconds).__next__)
    monkeypatch.setattr("service.threads.time", clock)


class Held:
    """Work that goes on until it is let go."""

    def __init__(self, gentle: GentleThreads, number: int) -> None:
        self.go_on = threading.Event()
        self.tasks = [
            asyncio.create_task(gentle.run(lambda: self.go_on.wait(20))) for _ in range(number)
        ]

    async def __aenter__(self) -> None:
        await asyncio.sleep(0)  # each has begun

    async def __aexit__(self, *_: object) -> None:
        self.go_on.set()
        assert all(await asyncio.gather(*self.tasks))


async def test_bounded_by_number(gentle: GentleThreads) -> None:
    async with Held(gentle, 2 + MAX_WAITING):
        assert (gentle.running, gentle.waiting) == (2, MAX_WAITING)
        with pytest.raises(OverloadedError, match=REFUSAL):
            await gentle.run(lambda: None)
    assert (gentle.running, gentle.waiting) == (0, 0)
    assert await gentle.run(lambda: "done") == "done"


async def test_bounded_by_time(gentle: GentleThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where work takes long, few may wait for it, and hear how long it would have been."""
    takes(monkeypatch, seconds=7)
    for _ in range(30):
        await gentle.run(lambda: None)
    async with Held(gentle, 4):  # so the next one waits for two others on its thread
        with pytest.raises(OverloadedError) as caught:
            await gentle.run(lambda: None)
        assert caught.value.retry_after >= 13 > MAX_SECONDS
    assert await gentle.run(lambda: "done") == "done"


async def test_slow_work_is_let_in(gentle: GentleThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes, whoever need not wait is not refused, nor the next one."""
    takes(monkeypatch, seconds=100)
    for number in range(5):
        assert await gentle.run(lambda number=number: number) == number  # type: ignore[misc]


async def test_failed_work(gentle: GentleThreads) -> None:
    """An error reaches who asked, and its place is free again."""
    for _ in range(3 + MAX_WAITING):
        with pytest.raises(ZeroDivisionError):
            await gentle.run(lambda: 1 / 0)
    assert gentle.running == 0
