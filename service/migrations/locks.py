"""The lock that allows one migration at a time; when its process dies, the lock is released."""

import asyncio
import fcntl
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text

from service.config.database_url import DatabaseSettings
from service.migrations.revisions import SchemaError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

LOCK_WAIT = 120.0  # seconds
LONGEST_PAUSE = 1.0  # seconds between two attempts
KEY = 0x5245_4144_4C4F_4721  # "READLOG!" in ASCII, the number of the advisory lock

Attempt = Callable[[], Awaitable[bool]]


@asynccontextmanager
async def exclusive(
    connection: "AsyncConnection", database: DatabaseSettings, wait: float = LOCK_WAIT
) -> AsyncIterator[None]:
    """Hold the lock of this database's schema; wait for it up to `wait` seconds, by polling.

    Raises SchemaError if another process holds it for longer.
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


async def _try_advisory_lock(connection: "AsyncConnection") -> bool:
    """Try to lock, for the life of the connection, which must be the one that migrates.

    On another connection, the lock of a killed process could be released while PostgreSQL still
    works on its last COMMIT. pg_advisory_lock() cannot replace the polling: while it waits, it has
    a snapshot, and CREATE INDEX CONCURRENTLY would wait for that in turn.
    """
    got = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": KEY})
    await connection.commit()
    return bool(got)


def _open_lock_file(path: str) -> int:
    """Open the lock file. Nobody removes it: that could remove a file that is locked already."""
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
            raise SchemaError(f"another migration has been running for {wait:g} seconds")
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, LONGEST_PAUSE)
