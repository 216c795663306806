"""Removes, from time to time, rows that mean nothing any more: what has expired."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping

from quart import Quart

from service import db, idempotency
from service.auth import queries as auth
from service.db.batches import BATCH
from service.db.failures import is_time_out
from service.db.statements import Connection
from service.exceptions import DatabaseUnavailableError
from service.limits import buckets as limits
from service.web.errors import note_failure

FIRST = 180.0  # seconds after the start, when a cold start needs the processor no more
INTERVAL = 3600.0  # seconds between two rounds of one process
CONTINUED = 60.0  # seconds until the next round where one has left something
MOST_BATCHES = 200  # of one job in one round

# Deletes at most so many rows, and returns their number.
Job = Callable[[Connection, int], Awaitable[int]]
JOBS: Mapping[str, Job] = {
    "sessions": auth.delete_expired_sessions,
    "access tokens": auth.delete_expired_tokens,
    "rate limits": limits.delete_expired,
    "idempotency keys": idempotency.delete_expired,
}

logger = logging.getLogger(__name__)


def init_app(app: Quart) -> None:
    """Run beside serving, in every process: deleting nothing costs nothing."""

    @app.before_serving
    async def start() -> None:
        app.extensions["housekeeping"] = asyncio.create_task(_run(app))

    @app.after_serving
    async def stop() -> None:
        task = app.extensions["housekeeping"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def clean_up() -> bool:
    """Do one round: each job by itself, whatever becomes of the others.

    Returns whether something may be left: a job has failed, or has deleted all it may in a round.
    """
    left = [await _do(name, job) for name, job in JOBS.items()]
    return any(left)


async def _do(name: str, job: Job) -> bool:
    try:
        return await _delete_in_batches(job)
    except DatabaseUnavailableError as error:
        note_failure(error, f"housekeeping of {name}")
    except Exception:
        logger.exception("housekeeping of %s failed", name)
    return True


async def _delete_in_batches(job: Job) -> bool:
    """Whether the last batch that a round may have was a full one.

    A batch that takes the server too long is tried again with fewer rows. Raises
    DatabaseUnavailableError where one row does, and for any other failure.
    """
    size = BATCH
    for _ in range(MOST_BATCHES):
        try:
            # A connection for each batch: requests come in between, and each has its own time-out.
            async with db.read() as connection:
                if await job(connection, size) < size:
                    return False
        except DatabaseUnavailableError as error:
            if size == 1 or not is_time_out(error.__cause__):
                raise
            size = max(1, size // 8)
    return True


async def _run(app: Quart) -> None:
    pause = FIRST
    while True:
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # not in every process together
        async with app.app_context():
            pause = CONTINUED if await clean_up() else INTERVAL
