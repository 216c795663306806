"""Makes all failed sign-ins take equally long, with any kind of hash or none (decision 6)."""

import asyncio
import time

from service.security.passwords import Work

MARGIN = 1.5  # factor on the slowest recent verification
# Seconds. MARGIN times the slowest scheme, measured on an ordinary core: argon2id takes 19 ms,
# scrypt 72 ms, PBKDF2 with a million rounds 194 ms.
LEAST = 0.3
MOST = 3.0  # seconds
DECAY = 0.98  # per failure, so that one unusually slow verification is forgotten after some dozens
HALF_LIFE = 10.0  # seconds in which a measured stretch loses half of its effect
SHORT = 0.01  # seconds of processor time; shorter work is no measure of the stretch


class EvenTiming:
    """Delays each failure until a verification of the slowest kind would have answered, too.

    To do the slowest scheme's work for everybody would hide as much, but take a core; waiting takes
    nothing. On a slow machine the wait grows with the time of verifications there. While other
    processes use the processor, work takes longer by a factor, the stretch; so does the wait.
    """

    def __init__(self) -> None:
        self._slowest = 0.0  # processor seconds
        self._stretch = 1.0
        self._noted = time.monotonic()

    def note(self, work: Work) -> None:
        """Update the stretch after a verification, whether it was right or wrong."""
        now = time.monotonic()
        left = (self._stretch - 1) * 0.5 ** ((now - self._noted) / HALF_LIFE)
        stretch = work.seconds / work.processor if work.processor >= SHORT else 1.0
        self._stretch, self._noted = max(1.0, stretch, 1 + left), now

    async def hold(self, work: Work) -> None:
        """Wait for the rest of the time after a failed verification; call `note` before."""
        self._slowest = max(work.processor, self._slowest * DECAY)
        due = min(MOST, max(LEAST, MARGIN * self._slowest) * self._stretch)
        await asyncio.sleep(max(0.0, due - work.seconds))
