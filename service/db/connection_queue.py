"""The queue for the connections of a pool. A request that finds all of them lent waits in line."""

import asyncio
import time

from service.db.failures import NoFreeConnectionError

# Longest wait for a free connection, then 503. With config.LOCK_TIMEOUT below 3 seconds, when a
# lock holds every connection. In one second a pool runs hundreds of statements: a request that
# waits longer has come to a database that is overloaded.
POOL_TIMEOUT = 1.0  # seconds
WEIGHT = 0.05  # of the newest loan in the mean time of a loan


class ConnectionQueue:
    """Lets at most `size` loans of connections be under way at once, in the order of coming."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.in_use = 0
        self.waiting = 0
        self._free = asyncio.Semaphore(size)
        self._mean = 0.0  # seconds of a loan, a moving mean

    @property
    def expected_wait(self) -> float:
        """Return the seconds that a request would wait for a connection if it came now."""
        return self.waiting * self._mean / self.size

    async def enter(self) -> float:
        """Wait for a free connection, and return the start of its loan, for `leave`.

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

    def leave(self, start: float) -> None:
        """End a loan that began at `start`."""
        self._mean += WEIGHT * (time.perf_counter() - start - self._mean)
        self.in_use -= 1
        self._free.release()
