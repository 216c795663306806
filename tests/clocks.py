"""The service's clocks and pauses in a test's hands."""

import asyncio
import time
from types import SimpleNamespace

import pytest


class Clock:
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def stop_limits_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that limits go by, from now on."""
    clock = Clock()
    monkeypatch.setattr("service.security.limits.time", SimpleNamespace(time=clock))
    return clock


def record_holds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each failed sign-in would have been held; it is not."""
    holds: list[float] = []

    async def sleep(seconds: float) -> None:
        holds.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr("service.security.timing.asyncio", SimpleNamespace(sleep=sleep))
    return holds
