"""A few threads for work that takes the processor, beside the event loop.

The event loop answers everybody else, so these threads give way to it: on Linux they have a lower
priority. Other systems have no priority for a single thread, and do without.
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

# Added to the nice value of the process; docs/decisions/0014 has the measurements.
NICER = 5
NICEST = 19  # the lowest priority that Linux has
MAX_WAITING = 40
MAX_SECONDS = 10.0  # that work may wait, by what work has taken lately; nobody waits longer
WEIGHT = 0.2  # of the newest piece of work in that mean

T = TypeVar("T")


class GentleThreads:
    """Runs work in `count` threads, and refuses work that would wait too long for one.

    `refusal` is the sentence that people are told then.
    """

    def __init__(self, count: int, *, name: str, refusal: str) -> None:
        self.count = count
        self._refusal = refusal
        self._executor = ThreadPoolExecutor(count, name, initializer=_give_way)
        self._unfinished = 0
        self._seconds = 0.0  # that one piece of work takes on a thread, a moving mean

    @property
    def running(self) -> int:
        """How many pieces of work have a thread."""
        return min(self._unfinished, self.count)

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return self._unfinished - self.running

    async def run(self, work: Callable[[], T]) -> T:
        """Return what the work returns. Raises OverloadedError, and what the work raises."""
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
        """Let the threads end."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def _give_way() -> None:
    """Lower the priority of the calling thread."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it; then the thread is like any other
            nice = min(NICEST, os.getpriority(os.PRIO_PROCESS, 0) + NICER)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
