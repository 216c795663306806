"""Waiting for the service to be well again."""

import time
from collections.abc import Awaitable, Callable

from tests.faults.history import History, send
from tests.waiting import eventually

BACK = 5.0  # seconds until everything works again, after whatever it was
QUIET = 1.0  # seconds without a failure that are taken for "everything works"


def ready(url: str, status: int = 200) -> Callable[[], Awaitable[bool]]:
    """Whether /readyz answers so, in time."""

    async def condition() -> bool:
        began = time.monotonic()
        answer = await send(url, "GET", "/readyz")
        assert time.monotonic() - began < 4, "/readyz promises two seconds"
        return answer is not None and answer.status == status

    return condition


async def recovered(history: History, since: float, *, within: float = BACK) -> None:
    """Somebody is served, and from some moment on nobody meets a failure any more."""

    async def all_well() -> bool:
        lately = history.since(max(since, time.monotonic() - QUIET))
        well = bool(lately) and all(op.outcome != "unknown" for op in lately)
        return well and time.monotonic() - since >= QUIET

    await eventually(all_well, within=within + QUIET)
