"""Waiting for something to become true, with an end."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PAUSE = 0.05  # seconds between two looks
LONG_ENOUGH = 20.0  # seconds; only a test that fails waits for so long


async def eventually(
    condition: Callable[[], Awaitable[bool]], *, within: float = LONG_ENOUGH
) -> float:
    """Fails where it does not become true; returns the seconds that it took."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within, "it never came true"
        await asyncio.sleep(PAUSE)
    return time.monotonic() - began
