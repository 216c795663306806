"""Checks for /readyz that the database answers and meets the service's needs (decision 18).

Each check runs one statement. The needs are checked by a trial, which takes longer: after the
start, after each failure, and then every minute. The trial runs as a task of its own, because on
SQLite it may have to wait for another writer.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator

from quart import Quart, current_app
from sqlalchemy import text

from service import db
from service.db.failures import Meaning, UnusableDatabaseError
from service.db.statements import Statement, scalar
from service.exceptions import DatabaseUnavailableError
from service.migrations.needs import find_unmet

INTERVAL = 60.0  # seconds between two trials, if the last one found no problem
RETRY = 2.0  # seconds from a trial that found a problem to the next one
FIRST_WAIT = 0.7  # seconds that /readyz waits for a trial; it must answer in 1.5 s
_ONE = Statement(text("SELECT 1"), scalar)
LOCK_TIMEOUT = "300ms"  # for the trial on PostgreSQL; a migration may hold a lock for longer


def init_app(app: Quart) -> None:
    """Make a `Readiness` for the time in which the application serves."""

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        readiness = app.extensions["readiness"] = Readiness(app)
        yield
        await readiness.close()


async def check() -> None:
    """Raise DatabaseUnavailableError if the database cannot be reached, or a need is unmet."""
    readiness: Readiness = current_app.extensions["readiness"]
    await readiness.check()


class Readiness:
    """The last result for one application's database, and the task of the present trial."""

    def __init__(self, app: Quart) -> None:
        self._app = app
        self._trial: asyncio.Task[None] | None = None
        self._due = 0.0  # by time.monotonic()
        self._is_known = False
        self._unmet: list[str] = []

    async def check(self) -> None:
        """Raise DatabaseUnavailableError if the database cannot be reached, or a need is unmet.

        Takes at most db.UNIT_TIMEOUT and FIRST_WAIT together.
        """
        try:
            async with db.read() as connection:
                await _ONE.one(connection)
        except DatabaseUnavailableError:
            self._is_known, self._due = False, 0.0  # the next answer may be another server's
            raise
        if self._trial is None and time.monotonic() >= self._due:
            self._trial = asyncio.create_task(self._try())
        if self._trial is not None and (self._unmet or not self._is_known):
            await asyncio.wait({self._trial}, timeout=FIRST_WAIT)
        if self._unmet:
            reason = UnusableDatabaseError("; ".join(self._unmet), Meaning.REFUSED)
            raise DatabaseUnavailableError from reason

    async def close(self) -> None:
        """Cancel a running trial."""
        if self._trial is not None:
            self._trial.cancel()
            await asyncio.gather(self._trial, return_exceptions=True)

    async def _try(self) -> None:
        try:
            async with self._app.app_context(), db.trial() as connection:
                if connection.dialect.name == "postgresql":
                    await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
                self._unmet = await connection.run_sync(find_unmet)
        except DatabaseUnavailableError:
            return  # a lock or a lost connection: there is no result, so the next check tries again
        except Exception:
            logging.getLogger(__name__).exception("the trial of the database failed")
            return
        finally:
            self._trial = None
        self._is_known = True
        self._due = time.monotonic() + (RETRY if self._unmet else INTERVAL)
