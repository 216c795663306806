"""Upgrades a database to head: an empty one, the Flask application's, or of an earlier release."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.db.failure_texts import explain
from service.db.failures import is_locked
from service.migrations import generators
from service.migrations.adoption import OURS, VERSION_TABLE, adopt_if_needed
from service.migrations.connections import CONNECT_WAIT, connect
from service.migrations.locks import LOCK_WAIT, exclusive
from service.migrations.revisions import ALEMBIC_INI, SchemaError, current_revision, head
from service.migrations.rollback import is_of_later_release

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from service.config import Settings

logger = logging.getLogger(__name__)

ATTEMPTS = 16  # to lock a table that is in use; each waits for lock_timeout (1 s)
PAUSE = 1.0  # seconds between two attempts, in which other statements can run


async def upgrade(
    settings: "Settings", *, connect_wait: float = CONNECT_WAIT, lock_wait: float = LOCK_WAIT
) -> str:
    """Upgrade the database to head. A database at head costs three queries, and no lock.

    Generators of ids that are behind the rows are set, too. Returns the database's revision: head,
    or the revision of a later release that has everything this release needs. Each revision is one
    transaction, so after a kill at any point the next run continues there. Raises SchemaError; the
    revisions before the one that failed are kept.
    """
    async with _connect(settings, connect_wait) as connection:
        if revision := await _done(connection):
            await _look_after_generators(connection, settings, lock_wait)
            return revision
        async with exclusive(connection, settings.database, lock_wait):
            await _patiently(connection, _upgrade)
            # Ends a transaction that Alembic leaves open if another process migrated meanwhile.
            await connection.rollback()
            await _patiently(connection, _raise_generators)
    logger.info("schema: at head: %s", head())
    return head()


async def reset(settings: "Settings") -> None:
    """Drop our tables with all data, in one transaction.

    Raises SchemaError, and drops nothing, if the tables are another application's, or if a table
    of another application refers to them.
    """
    async with (
        _connect(settings, CONNECT_WAIT) as connection,
        exclusive(connection, settings.database),
    ):
        await _patiently(connection, _drop)
    logger.warning("schema: every table dropped")


@asynccontextmanager
async def _connect(settings: "Settings", wait: float) -> AsyncIterator["AsyncConnection"]:
    try:
        async with connect(settings.database, wait) as connection:
            yield connection
    except (SQLAlchemyError, OSError) as error:
        raise SchemaError(f"the database failed: {explain(error)}") from error


async def _done(connection: "AsyncConnection") -> str | None:
    """Return the revision if nothing is to be done, else None. Waits for no lock and no writer."""
    await connection.execution_options(reading=True)
    revision = await current_revision(connection)
    at_head = revision == head()
    later = not at_head and await is_of_later_release(connection, revision)
    # No transaction may be open when `_upgrade` begins its own: Alembic would not commit it.
    await connection.rollback()
    await connection.execution_options(reading=False)
    if at_head:
        logger.info("schema: at head already: %s", revision)
    elif later:
        logger.warning("schema: at %s, which a later release made; it has all we need", revision)
    return revision if at_head or later else None


async def _look_after_generators(
    connection: "AsyncConnection", settings: "Settings", lock_wait: float
) -> None:
    """Set the generators that are behind. A failure is only logged: the service can start."""
    try:
        if await _is_a_generator_behind(connection):
            async with exclusive(connection, settings.database, lock_wait):
                await _patiently(connection, _raise_generators)
    except SchemaError as error:
        logger.error("schema: %s", error)
    except DBAPIError as error:
        logger.error("schema: the generators of ids were not checked: %s", explain(error))


async def _is_a_generator_behind(connection: "AsyncConnection") -> bool:
    """Return whether a generator is behind, as far as our role may read that; takes no lock."""
    await connection.execution_options(reading=True)
    try:
        found = await connection.run_sync(generators.find, OURS)
    finally:
        await connection.rollback()
        await connection.execution_options(reading=False)
    return any(generator.is_behind for generator in found)


async def _patiently(connection: "AsyncConnection", work: Callable[["Connection"], None]) -> None:
    """Try again while a table is locked. Revisions that are committed are not repeated."""
    for left in reversed(range(ATTEMPTS)):
        try:
            await connection.run_sync(work)
            return
        except DBAPIError as error:
            await connection.rollback()
            if not left or not is_locked(error):
                raise
            logger.warning("schema: a table is in use, trying again: %s", explain(error))
        await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))


def _upgrade(connection: "Connection") -> None:
    adopt_if_needed(connection)
    # Imported here, because a database at head never needs Alembic.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(ALEMBIC_INI, attributes={"connection": connection})
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SchemaError(f"Alembic refuses: {explain(error)}") from error


def _raise_generators(connection: "Connection") -> None:
    with connection.begin():
        raised = generators.raise_behind(connection, OURS)
    for generator in raised:
        logger.warning("schema: %s: set to continue after them", generator.problem)


def _drop(connection: "Connection") -> None:
    adopt_if_needed(connection)
    with connection.begin():
        for table in (*OURS, VERSION_TABLE):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
