"""What gunicorn's master does once, before it has workers: the schema, and a look at the database.

Here rather than in a process before it: what is imported for this, the workers need too.
"""

import asyncio
import logging

from service import logs, migrations
from service.config import Settings

logger = logging.getLogger(__name__)

# Of PostgreSQL's default of 100, and of the platforms' smaller plans: without those that are left
# for migrations, psql and the superuser.
CONNECTIONS = 90


def prepare(settings: Settings) -> None:
    """Bring the schema to head; where MIGRATE_ON_START is off, only tell when it is not there.

    Ends the process when the schema is none that this release can serve, with status 1, and when
    the connection cannot be made as the settings are, with status 2: a platform then keeps the
    release that runs.
    """
    logs.configure(settings)
    if settings.migrate_on_start:
        asyncio.run(_migrate(settings))
    if not settings.migrate_on_start or _most_connections(settings) > CONNECTIONS:
        asyncio.run(_warn(settings))


async def _migrate(settings: Settings) -> None:
    try:
        await migrations.upgrade(settings)
    except migrations.SchemaError as error:
        logger.critical("schema: %s", error)
        raise SystemExit(2 if isinstance(error, migrations.WrongSettingError) else 1) from None


async def _warn(settings: Settings) -> None:
    # Imported where somebody needs it: most starts find everything in order.
    from service.cli.checks import database_risks

    findings = await database_risks(settings)
    for finding in findings:
        logger.warning("%s", finding.text)
    if any(finding.wrong_setting for finding in findings):
        raise SystemExit(2)


def _most_connections(settings: Settings) -> int:
    """Twice: while a deploy replaces this release, the next one is connected too."""
    return 2 * settings.web_concurrency * (settings.db_pool_size + settings.db_max_overflow)
