"""The program of bin/migrate: `python -m service.migrations`, without arguments."""

import asyncio
import logging
import sys

from service import logs
from service.config import ConfigurationError, Settings
from service.migrations import SchemaError, WrongSettingError, upgrade

logger = logging.getLogger("service.migrations")


def main() -> int:
    """Migrate, and return the exit status; the reason for a failure is on standard error.

    0: the service can use the schema. 1: it cannot. 2: an argument or a setting is wrong.
    """
    if sys.argv[1:]:
        sys.stderr.write(
            "bin/migrate takes no arguments: it migrates the database of DATABASE_URL\n"
        )
        return 2
    try:
        settings = Settings.from_env()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logs.configure(settings)
    try:
        asyncio.run(upgrade(settings))
    except SchemaError as error:
        logger.critical("schema: %s", error)
        return 2 if isinstance(error, WrongSettingError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
