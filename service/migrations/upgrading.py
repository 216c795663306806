"""Brings a database to head: empty, of the Flask application, or of an earlier release of ours."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db.explanations import explain
from service.db.failures import is_locked
from service.migrations import generators
from service.migrations.adoption import OURS, VERSION_TABLE, adopt_if_needed
from service.migrations.connections import CONNECT_WAIT, connect
from service.migrations.locks import LOCK_WAIT, exclusive
from service.migrations.revisions import ALEMBIC_INI, SchemaError, current_revision, head
from service.migrations.rollback import is_of_later_release

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.config import Settings

logger = logging.getLogger(__name__)

ATTEMPTS = 16  # at a table that others keep locked, each as long as lock_timeout
PAUSE = 1.0  # seconds between them, in which others get on


async def upgrade(
    settings: "Settings", *, connect_wait: float = CONNECT_WAIT, lock_wait: float = LOCK_WAIT
) -> str:
    """Bring the database to head; at head already, it costs three queries and takes no lock.

    Generators of ids that are behind the rows are set, too. Returns the database's revision: head,
    or one of a later release that has all this one needs. Each revision is one transaction: killed
    at any point, the next run goes on from there. Raises SchemaError, and then the revisions before
    the one that failed are kept.
    """
    async with _connect(settings, connect_wait) as connection:
        if revision := await _done(connection):
            await _look_after_generators(connection, settings, lock_wait)
            return revision
        async with exclusive(connection, settings.database, lock_wait):
            await _patiently(connection, _upgrade)
            await connection.rollback()  # Alembic's, where another process has done it meanwhile
            await _patiently(connection, _raise_generators)
    logger.info("schema: at head: %s", head())
    return head()


async def reset(settings: "Settings") -> None:
    """Drop our tables and everything in them, in one transaction; an empty database is left.

    Raises SchemaError where they are not ours, or others refer to them; nothing is dropped then.
    """
    async with (
        _connect(settings, CONNECT_WAIT) as connection,
        exclusive(connection, settings.database),
    ):
        await _patiently(connection, _drop)
    logger.warning("schema: every table dropped")


@asynccontextmanager
async def _connect(settings: "Settings", wait: float) -> AsyncIterator[AsyncConnection]:
    try:
        async with connect(settings.database, wait) as connection:
            yield connection
    except (SQLAlchemyError, OSError) as error:
        raise SchemaError(f"the database failed: {explain(error)}") from error


async def _done(connection: AsyncConnection) -> str | None:
    """The revision where nothing is to be done. Without a lock, or waiting for one who writes."""
    await connection.execution_options(reading=True)
    revision = await current_revision(connection)
    at_head = revision == head()
    later = not at_head and await is_of_later_release(connection, revision)
    # A transaction left open would be taken for one that others care for.
    await connection.rollback()
    await connection.execution_options(reading=False)
    if at_head:
        logger.info("schema: at head already: %s", revision)
    elif later:
        logger.warning("schema: at %s, which a later release made; it has all we need", revision)
    return revision if at_head or later else None


async def _look_after_generators(
    connection: AsyncConnection, settings: "Settings", lock_wait: float
) -> None:
    """Set those of a database at head that are behind; it is served, whatever comes of that."""
    try:
        if await _is_a_generator_behind(connection):
            async with exclusive(connection, settings.database, lock_wait):
                await _patiently(connection, _raise_generators)
    except SchemaError as error:
        logger.error("schema: %s", error)
    except DBAPIError as error:
        logger.error("schema: the generators of ids were not looked at: %s", explain(error))


async def _is_a_generator_behind(connection: AsyncConnection) -> bool:
    """Whether one is, as far as the role may know; without a lock."""
    await connection.execution_options(reading=True)
    try:
        found = await connection.run_sync(generators.find, OURS)
    finally:
        await connection.rollback()
        await connection.execution_options(reading=False)
    return any(generator.is_behind for generator in found)


async def _patiently(connection: AsyncConnection, work: Callable[["Connection"], None]) -> None:
    """Try again while others hold a lock on a table; what has been done is not done again."""
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
    # Imported here, because a database that is at head never needs it.
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
        logger.warning("schema: %s: set to go on after them", generator.problem)


def _drop(connection: "Connection") -> None:
    adopt_if_needed(connection)
    with connection.begin():
        for table in (*OURS, VERSION_TABLE):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
