"""What gunicorn's master does once, before it has workers: the schema, and a look at the pools.

Here rather than in a process before it: what is imported for this, the workers need too.
"""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from service import logs, schema
from service.config import Settings
from service.schema.connections import connect, explain

logger = logging.getLogger(__name__)

CHECK_WAIT = 5.0  # seconds for a database that is only asked for its revision
# Of PostgreSQL's default of 100, and of the platforms' smaller plans: without those that are left
# for migrations, psql and the superuser.
CONNECTIONS = 90


def prepare(settings: Settings) -> None:
    """Bring the schema to head; where MIGRATE_ON_START is off, only tell when it is not there.

    Ends the process, with status 1, when the schema cannot be brought to head: a platform then
    keeps the release that runs, and this one must not serve what it does not know.
    """
    logs.configure(settings)
    _check_pools(settings)
    if settings.migrate_on_start:
        try:
            asyncio.run(schema.upgrade(settings))
        except schema.SchemaError as error:
            logger.critical("schema: %s", error)
            raise SystemExit(1) from None
    else:
        asyncio.run(_tell_revision(settings))


async def _tell_revision(settings: Settings) -> None:
    """Whatever is wrong with the database now, requests are told of it as long as it lasts."""
    try:
        async with connect(settings.database, CHECK_WAIT) as connection:
            await connection.execution_options(reading=True)
            revision = await schema.current_revision(connection)
    except (schema.SchemaError, SQLAlchemyError, OSError) as error:
        reason = error if isinstance(error, schema.SchemaError) else explain(error)
        logger.warning("schema: not checked: %s", reason)
        return
    if revision != (head := schema.head()):
        logger.warning(
            "schema: at %s, but this release needs %s: run bin/migrate, or set MIGRATE_ON_START=on",
            revision or "no revision",
            head,
        )


def _check_pools(settings: Settings) -> None:
    pool = settings.db_pool_size + settings.db_max_overflow
    # Twice: while a deploy replaces this release, the next one is connected too.
    most = 2 * settings.web_concurrency * pool
    if most > CONNECTIONS and not settings.database.is_sqlite:
        logger.warning(
            "pools: %d workers of up to %d connections, twice during a deploy, are %d,"
            " and most databases take 100: see WEB_CONCURRENCY, DB_POOL_SIZE and DB_MAX_OVERFLOW",
            settings.web_concurrency,
            pool,
            most,
        )
