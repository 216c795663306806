"""Makes failed sign-ins take equally long, whatever they were compared with."""

import asyncio

# Longer than every scheme that we know takes on an ordinary core: argon2id 19 ms, scrypt 72 ms,
# PBKDF2 with a million rounds 194 ms.
LEAST = 0.25  # seconds
MOST = 3.0  # seconds
MARGIN = 1.5  # times the slowest verification seen lately
DECAY = 0.98  # a moment's hiccup is forgotten after some dozens of failures


class EvenTiming:
    """Holds each failure back until the slowest kind would have answered too.

    Doing the slowest scheme's work for everybody would say as little and cost a core; waiting
    costs nothing. On a slow machine the wait grows with what verifications take there.
    """

    def __init__(self) -> None:
        self._slowest = 0.0

    async def hold(self, seconds_worked: float) -> None:
        """Wait for what is left after a verification that took so many seconds."""
        self._slowest = max(seconds_worked, self._slowest * DECAY)
        due = min(MOST, max(LEAST, MARGIN * self._slowest))
        await asyncio.sleep(max(0.0, due - seconds_worked))
