"""Jobs that every process runs again and again while it serves, each in a task of its own.

A slow or failing job delays no other job. The work of a job is in the folder of its domain, which
knows nothing of this module.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from quart import Quart

from service import db, idempotency
from service.auth import queries as auth
from service.db.batches import BATCH
from service.db.failures import is_time_out
from service.db.statements import Connection
from service.exceptions import DatabaseUnavailableError
from service.limits import buckets as limits
from service.web.errors import note_failure

HOUR = 3600.0  # seconds
# Pauses, in seconds, that replace the interval of the job. Each is up to a half shorter or longer,
# so that processes that started together do not run a job together.
FIRST = 180.0  # after the start, unless the interval is shorter: a cold start needs the processor
SOON = 1.0  # after a run that left something to do, and after RETRY: requests come first
RETRY = 60.0  # after a failure, even if the interval is shorter; `wake` does not end this pause
MOST_BATCHES = 10  # in one run

# A job returns True if it has left something to do.
Job = Callable[[], Awaitable[bool]]
# Deletes at most the given number of rows, and returns the number of deleted rows.
Delete = Callable[[Connection, int], Awaitable[int]]

logger = logging.getLogger(__name__)


class Every(NamedTuple):
    """A job, and the seconds from the end of one run to the start of the next."""

    seconds: float
    job: Job


def in_batches(delete: Delete) -> Job:
    """Return a job that runs a deleting statement until no row is left."""

    async def job() -> bool:
        return await _delete_in_batches(delete)

    return job


JOBS: Mapping[str, Every] = {
    "sessions": Every(HOUR, in_batches(auth.delete_expired_sessions)),
    "access tokens": Every(HOUR, in_batches(auth.delete_expired_tokens)),
    "rate limits": Every(HOUR, in_batches(limits.delete_expired)),
    "idempotency keys": Every(HOUR, in_batches(idempotency.delete_expired)),
}


def init_app(app: Quart) -> None:
    """Run the jobs as long as the application serves."""
    woken = app.extensions["jobs"] = {name: asyncio.Event() for name in JOBS}

    @app.while_serving  # ends before that of `db`, which closes the connections
    async def run() -> AsyncGenerator[None, None]:
        tasks = [
            asyncio.create_task(_repeat(app, name, every, woken[name]), name=name)
            for name, every in JOBS.items()
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(app: Quart, name: str, every: Every, woken: asyncio.Event) -> None:
    pause = min(FIRST, every.seconds)
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(_about(pause)):
                await woken.wait()
        woken.clear()
        async with app.app_context():
            left = await _run(name, every.job)
        if left is None:
            await asyncio.sleep(_about(RETRY))
        pause = every.seconds if left is False else SOON


def _about(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.5)


async def _run(name: str, job: Job) -> bool | None:
    """Run a job. Return True if it has left something to do, and None if it failed."""
    try:
        return await job()
    except DatabaseUnavailableError as error:
        note_failure(error, f"the job of {name}")
    except Exception:
        logger.exception("the job of %s failed", name)
    return None


async def _delete_in_batches(delete: Delete) -> bool:
    """Delete up to MOST_BATCHES batches. Return True if rows may be left.

    A batch that reaches the server's time-out is tried again with fewer rows. Raises
    DatabaseUnavailableError if a single row reaches it, and for any other failure.
    """
    size = BATCH
    for _ in range(MOST_BATCHES):
        try:
            # A connection for each batch: requests use it in between, and UNIT_TIMEOUT starts anew.
            async with db.read() as connection:
                if await delete(connection, size) < size:
                    return False
        except DatabaseUnavailableError as error:
            if size == 1 or not is_time_out(error.__cause__):
                raise
            size = max(1, size // 8)
    return True
