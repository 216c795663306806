"""Turns at the connections of a pool. A request that finds all of them lent waits in a line."""

import asyncio
import time

from service.db.failures import NoFreeConnectionError

# Longest wait for a free connection, then 503. With config.LOCK_TIMEOUT below 3 seconds, when a
# lock holds every connection. In one second a pool runs hundreds of statements: a request that
# waits longer has come to a database that is overloaded.
POOL_TIMEOUT = 1.0  # seconds
WEIGHT = 0.05  # of the newest turn in the mean time of a turn


class Turns:
    """At most `count` turns at once."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.in_use = 0
        self.waiting = 0
        self._free = asyncio.Semaphore(count)
        self._mean = 0.0  # seconds of a turn, a moving mean

    @property
    def expected_wait(self) -> float:
        """Return the seconds that a request would wait for a turn if it came now."""
        return self.waiting * self._mean / self.count

    async def begin(self) -> float:
        """Wait for a turn, and return its start for `end`.

        Raises NoFreeConnectionError after POOL_TIMEOUT.
        """
        if self._free.locked():
            self.waiting += 1
            try:
                async with asyncio.timeout(POOL_TIMEOUT):
                    await self._free.acquire()
            except TimeoutError:
                raise NoFreeConnectionError from None
            finally:
                self.waiting -= 1
        else:
            await self._free.acquire()
        self.in_use += 1
        return time.perf_counter()

    def end(self, start: float) -> None:
        """End a turn that began at `start`."""
        self._mean += WEIGHT * (time.perf_counter() - start - self._mean)
        self.in_use -= 1
        self._free.release()
