"""Brings a database to head: empty, of the Flask application, or of an earlier release of ours."""

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.schema.adoption import adopt_if_needed
from service.schema.connections import CONNECT_WAIT, connect, explain
from service.schema.locks import LOCK_WAIT, exclusive
from service.schema.revisions import ALEMBIC_INI, SchemaError, head, is_at_head

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.config import Settings

logger = logging.getLogger(__name__)

ATTEMPTS = 8  # at a table that others keep locked, each as long as lock_timeout
PAUSE = 1.0  # seconds between them, in which others get on


async def upgrade(
    settings: "Settings", *, connect_wait: float = CONNECT_WAIT, lock_wait: float = LOCK_WAIT
) -> None:
    """Bring the database to head; at head already, it costs one query and takes no lock.

    Each revision is one transaction: killed at any point, the next run goes on from there. Raises
    SchemaError, and then the revisions before the one that failed are kept.
    """
    database = settings.database
    try:
        async with connect(database, connect_wait) as connection:
            if await _is_done(connection):
                logger.info("schema: at head already: %s", head())
                return
            async with exclusive(connection, database, lock_wait):
                await _upgrade_patiently(connection)
    except (SQLAlchemyError, OSError) as error:
        raise SchemaError(f"the database failed: {explain(error)}") from error
    logger.info("schema: at head: %s", head())


async def _is_done(connection: AsyncConnection) -> bool:
    """Without a lock, and on SQLite without waiting for one who writes."""
    await connection.execution_options(reading=True)
    done = await is_at_head(connection)
    # A transaction left open would be taken for one that others care for.
    await connection.rollback()
    await connection.execution_options(reading=False)
    return done


async def _upgrade_patiently(connection: AsyncConnection) -> None:
    """Try again while others hold a lock on a table; what has been done is not done again."""
    for left in reversed(range(ATTEMPTS)):
        try:
            await connection.run_sync(_upgrade_once)
            return
        except DBAPIError as error:
            await connection.rollback()
            if not left or not _is_locked(error):
                raise
            logger.warning("schema: a table is in use, trying again: %s", explain(error))
        await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))


def _upgrade_once(connection: "Connection") -> None:
    adopt_if_needed(connection)
    # Imported here, because a database that is at head never needs it.
    from alembic.config import Config
    from alembic.util import CommandError

    from alembic import command

    config = Config(ALEMBIC_INI, attributes={"connection": connection})
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SchemaError(f"Alembic refuses: {explain(error)}") from error


def _is_locked(error: DBAPIError) -> bool:
    """lock_timeout, a deadlock of which we were the victim, or SQLite's other writer."""
    state = getattr(error.orig, "sqlstate", None)
    return state in {"55P03", "40P01"} or "database is locked" in str(error.orig)
