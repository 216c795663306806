"""Whether this process can serve: the part of /readyz that costs more than one statement.

What the service needs of the database is tried once after the start and after each failure, and
then every minute; in between, one statement shows that the database answers. The trial runs beside
the requests: on SQLite it may have to wait for another writer.
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

INTERVAL = 60.0  # seconds between two trials while all is well
RETRY = 2.0  # seconds after a trial that found something
FIRST_WAIT = 0.7  # seconds that /readyz waits for a trial, of the 1.5 that it has
_ONE = Statement(text("SELECT 1"), scalar)
LOCK_TIMEOUT = "300ms"  # of PostgreSQL: a migration or a restore holds a lock for longer


def init_app(app: Quart) -> None:
    """Keep what is known for as long as the application serves."""

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        readiness = app.extensions["readiness"] = Readiness(app)
        yield
        await readiness.close()


async def check() -> None:
    """Raises DatabaseUnavailableError where the database is away or refuses what is needed."""
    readiness: Readiness = current_app.extensions["readiness"]
    await readiness.check()


class Readiness:
    """What is known of one application's database."""

    def __init__(self, app: Quart) -> None:
        self._app = app
        self._trial: asyncio.Task[None] | None = None
        self._due = 0.0  # by time.monotonic()
        self._is_known = False
        self._unmet: list[str] = []

    async def check(self) -> None:
        """Raises DatabaseUnavailableError, at the latest after FIRST_WAIT and db.UNIT_TIMEOUT."""
        try:
            async with db.read() as connection:
                await _ONE.one(connection)
        except DatabaseUnavailableError:
            self._is_known, self._due = False, 0.0  # another server may come back
            raise
        if self._trial is None and time.monotonic() >= self._due:
            self._trial = asyncio.create_task(self._try())
        if self._trial is not None and (self._unmet or not self._is_known):
            await asyncio.wait({self._trial}, timeout=FIRST_WAIT)
        if self._unmet:
            reason = UnusableDatabaseError("; ".join(self._unmet), Meaning.REFUSED)
            raise DatabaseUnavailableError from reason

    async def close(self) -> None:
        """End a trial that is under way."""
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
            return  # a lock, or the connection: nothing is known, and the next request tries again
        except Exception:
            logging.getLogger(__name__).exception("the trial of the database failed")
            return
        finally:
            self._trial = None
        self._is_known = True
        self._due = time.monotonic() + (RETRY if self._unmet else INTERVAL)
