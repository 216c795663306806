"""Jobs in the background in the hands of a test, which runs them and ends their pauses."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from types import SimpleNamespace

import pytest
from quart import Quart

from service.server import background
from tests.waiting import eventually


async def clean_up(app: Quart) -> bool:
    """Run every job once, one after the other; returns whether one has left something."""
    async with app.app_context():
        return any([await every.job() for every in background.JOBS.values()])


class Pauses:
    """The pauses of the jobs of every application that is served after this."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: defaultdict[str, list[float]] = defaultdict(list)  # seconds, by job
        self._present: dict[str, asyncio.Timeout] = {}
        own = SimpleNamespace(**vars(asyncio) | {"timeout": self._timeout, "sleep": self._sleep})
        monkeypatch.setattr("service.server.background.asyncio", own)

    async def begun(self, job: str, number: int = 1) -> float:
        """The length of a job's latest pause, when so many have begun."""

        async def has() -> bool:
            return len(self.taken[job]) >= number

        await eventually(has)
        return self.taken[job][-1]

    async def next(self, job: str) -> float:
        """End the pause of a job; returns the length of the next one, which has begun."""
        number = len(self.taken[job])
        self.end(job)
        return await self.begun(job, number + 1)

    def end(self, job: str) -> None:
        """End the pause of a job."""
        self._present[job].reschedule(0)

    def _timeout(self, seconds: float) -> asyncio.Timeout:
        task = asyncio.current_task()
        assert task is not None
        self.taken[task.get_name()].append(seconds)
        timeout = self._present[task.get_name()] = asyncio.timeout(None)
        return timeout

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with self._timeout(seconds):
                await asyncio.Event().wait()
