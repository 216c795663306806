"""A few threads beside the event loop, for work that needs the processor.

The event loop serves all other requests, so it comes first: on Linux these threads have a lower
priority. Other systems have no priority for a single thread, so the threads keep the normal one.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from service.exceptions import OverloadedError

NICER = 5  # added to the nice value of the process; measured in decision 14
NICEST = 19  # the lowest priority of Linux
MAX_WAITING = 40  # pieces of work that have no thread yet
MAX_SECONDS = 10.0  # the longest wait that is expected, by the mean time of earlier work
WEIGHT = 0.2  # of the newest piece of work in that mean

T = TypeVar("T")


class GentleThreads:
    """Runs work in `count` threads, and refuses work that would wait too long for a thread.

    `refusal` is the text of that error, for people.
    """

    def __init__(self, count: int, *, name: str, refusal: str) -> None:
        self.count = count
        self._refusal = refusal
        self._executor = ThreadPoolExecutor(count, name, initializer=_lower_priority)
        self._unfinished = 0
        self._seconds = 0.0  # the moving mean of the time that a piece of work takes in a thread

    @property
    def running(self) -> int:
        """The number of pieces of work that have a thread."""
        return min(self._unfinished, self.count)

    @property
    def waiting(self) -> int:
        """The number of pieces of work that wait for a thread."""
        return self._unfinished - self.running

    async def run(self, work: Callable[[], T]) -> T:
        """Return the result of the work. Raises OverloadedError, and every error of the work."""
        wait = self._unfinished // self.count * self._seconds
        if self._unfinished >= self.count + MAX_WAITING or wait > MAX_SECONDS:
            raise OverloadedError(self._refusal, retry_after=max(1.0, wait))
        self._unfinished += 1
        loop = asyncio.get_running_loop()
        try:
            result, seconds = await loop.run_in_executor(self._executor, _timed, work)
        finally:
            self._unfinished -= 1
        self._seconds += WEIGHT * (seconds - self._seconds)
        return result

    def close(self) -> None:
        """Drop the work that waits, and let the threads end."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def _lower_priority() -> None:
    """Lower the priority of the calling thread."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it; then the priority stays normal
            nice = min(NICEST, os.getpriority(os.PRIO_PROCESS, 0) + NICER)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
