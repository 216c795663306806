"""Upgrades the schema and checks the database, once, in gunicorn's master before it has workers.

This runs in the master and not in a process before it, because the workers need the same imports
and share them.
"""

import asyncio
import logging

from service import logs, migrations
from service.config import Settings

logger = logging.getLogger(__name__)

# PostgreSQL's default, and the limit of the platforms' smaller plans, is 100; the rest is for
# migrations, psql and the superuser. Only if the service may open more connections than this, the
# start compares with the server's real limit.
CONNECTIONS = 90


def prepare(settings: Settings) -> None:
    """Upgrade the schema to head or, if MIGRATE_ON_START is off, warn if it is not at head.

    Ends the process with status 1 if the upgrade fails, and with status 2 if a setting of the
    connection is wrong. Then a platform keeps the previous release running.
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
    # Imported here, because most starts do not need it.
    from service.cli.checks import database_risks

    findings = await database_risks(settings)
    for finding in findings:
        logger.warning("%s", finding.text)
    if any(finding.wrong_setting for finding in findings):
        raise SystemExit(2)


def _most_connections(settings: Settings) -> int:
    """Return the highest number of connections: during a deploy, two releases are connected."""
    return 2 * settings.web_concurrency * (settings.db_pool_size + settings.db_max_overflow)
