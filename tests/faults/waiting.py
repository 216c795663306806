"""Waiting for something to become true, with an end."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.faults.history import send

PAUSE = 0.05  # seconds between two looks


async def eventually(condition: Callable[[], Awaitable[bool]], *, within: float) -> float:
    """Fails where it does not become true; returns the seconds that it took."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within, "it never came true"
        await asyncio.sleep(PAUSE)
    return time.monotonic() - began


def ready(url: str, status: int = 200) -> Callable[[], Awaitable[bool]]:
    """Whether /readyz answers so, in time."""

    async def condition() -> bool:
        began = time.monotonic()
        answer = await send(url, "GET", "/readyz")
        assert time.monotonic() - began < 4, "/readyz promises two seconds"
        return answer is not None and answer.status == status

    return condition
