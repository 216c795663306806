"""Makes failed sign-ins take equally long, whatever they were compared with."""

import asyncio
import time

from service.security.passwords import Work

MARGIN = 1.5  # times the slowest verification seen lately
# MARGIN times the slowest scheme that we know, on an ordinary core: argon2id takes 19 ms, scrypt
# 72 ms, PBKDF2 with a million rounds 194 ms.
LEAST = 0.3  # seconds
MOST = 3.0  # seconds
DECAY = 0.98  # a moment's hiccup is forgotten after some dozens of failures
HALF_LIFE = 10.0  # seconds, of what is known about how busy the processor is
SHORT = 0.01  # seconds of work, below which the time on the clock says nothing about that


class EvenTiming:
    """Holds each failure back until the slowest kind would have answered too.

    Doing the slowest scheme's work for everybody would say as little and cost a core; waiting
    costs nothing. On a slow machine the wait grows with what verifications take there. While
    others use the processor, too, all work takes longer by the same factor, and so does the wait.
    """

    def __init__(self) -> None:
        self._slowest = 0.0  # processor seconds
        self._stretch = 1.0
        self._noted = time.monotonic()

    def note(self, work: Work) -> None:
        """Learn from any verification, good or bad, how busy the processor is."""
        now = time.monotonic()
        left = (self._stretch - 1) * 0.5 ** ((now - self._noted) / HALF_LIFE)
        stretch = work.seconds / work.processor if work.processor >= SHORT else 1.0
        self._stretch, self._noted = max(1.0, stretch, 1 + left), now

    async def hold(self, work: Work) -> None:
        """Wait for what is left after this verification, which was noted."""
        self._slowest = max(work.processor, self._slowest * DECAY)
        due = min(MOST, max(LEAST, MARGIN * self._slowest) * self._stretch)
        await asyncio.sleep(max(0.0, due - work.seconds))
