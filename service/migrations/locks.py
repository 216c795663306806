"""One migration at a time, whoever starts it; the lock of a process that died is gone with it."""

import asyncio
import fcntl
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.config.database_url import DatabaseSettings
from service.migrations.revisions import SchemaError

LOCK_WAIT = 120.0  # seconds
LONGEST_PAUSE = 1.0  # seconds between two attempts
KEY = 0x5245_4144_4C4F_4721  # "READLOG!": one of 2^64 advisory locks of each database

Attempt = Callable[[], Awaitable[bool]]


@asynccontextmanager
async def exclusive(
    connection: AsyncConnection, database: DatabaseSettings, wait: float = LOCK_WAIT
) -> AsyncIterator[None]:
    """Holds the lock of this database's schema; polled, for `wait` seconds at most.

    Raises SchemaError when somebody else has it for longer.
    """
    if database.is_sqlite:
        descriptor = _open_lock_file(f"{database.name}.lock")
        try:
            await _poll(lambda: _try_file_lock(descriptor), wait)
            yield
        finally:
            os.close(descriptor)
    else:
        await _poll(lambda: _try_advisory_lock(connection), wait)
        yield


async def _try_advisory_lock(connection: AsyncConnection) -> bool:
    """A session's lock, on the very connection that migrates, and for as long as that lives.

    On a connection of its own the lock of a killed process could be free while its last COMMIT is
    still at work. Asked for anew each time: a session that waits inside pg_advisory_lock() has a
    snapshot, which CREATE INDEX CONCURRENTLY would wait for in turn.
    """
    got = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": KEY})
    await connection.commit()
    return bool(got)


def _open_lock_file(path: str) -> int:
    """The file stays: whoever removed it might remove the one that another has just locked."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SchemaError(f"cannot write beside the database: {error.strerror}") from error


async def _try_file_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _poll(attempt: Attempt, wait: float) -> None:
    deadline = time.monotonic() + wait
    pause = 0.05
    while not await attempt():
        if time.monotonic() >= deadline:
            raise SchemaError(f"another migration has been at work for {wait:g} seconds")
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, LONGEST_PAUSE)
