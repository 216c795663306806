"""Finds all revisions, and the revision of a database, without Alembic: its import is slow."""

import logging
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.db.failures import is_missing_table
from service.db.statements import Connection, Statement, scalar

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_SELECT_VERSIONS = text("SELECT version_num FROM alembic_version")
_VERSIONS = Statement(_SELECT_VERSIONS, scalar)

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
ALEMBIC_INI = ROOT / "alembic.ini"
VERSIONS = ROOT / "alembic" / "versions"
BASELINE = "baseline"

_IDS = re.compile(
    r'^revision: str = "(?P<id>\w+)"\ndown_revision: str \| None = (?:"(?P<down>\w+)"|None)$', re.M
)


class SchemaError(Exception):
    """The schema cannot be upgraded to head. The text is one line for operators: the reason."""


class WrongSettingError(SchemaError):
    """DATABASE_URL, or a variable or file that goes with it, must be changed: exit status 2."""


@cache
def parents() -> Mapping[str, str | None]:
    """Return every revision and the one before it, read from the first lines of the files."""
    matches = (_IDS.search(path.read_text("utf-8")) for path in VERSIONS.glob("*.py"))
    return {match["id"]: match["down"] for match in matches if match}


@cache
def head() -> str:
    """Return the newest revision. Raises SchemaError unless there is exactly one."""
    heads = parents().keys() - set(parents().values())
    if len(heads) != 1:
        raise SchemaError(f"alembic/versions must have one head, not {len(heads)}")
    return heads.pop()


async def read_revision(connection: Connection) -> str | None:
    """Do the same as `current_revision`, on a connection of `service.db` outside a transaction."""
    try:
        versions = await _VERSIONS.all(connection)
    except Exception as error:
        if not is_missing_table(error):
            raise
        return None
    return versions[0] if len(versions) == 1 else None


async def current_revision(connection: "AsyncConnection") -> str | None:
    """Return the database's revision, or None if it has no revision, or several; one query.

    If the version table is missing, the connection's transaction is rolled back.
    """
    try:
        rows = await connection.scalars(_SELECT_VERSIONS)
    except DBAPIError as error:
        if not is_missing_table(error):
            raise
        await connection.rollback()
        return None
    versions = rows.all()
    return str(versions[0]) if len(versions) == 1 else None


def log_step(*, step: Any, **_: Any) -> None:
    """Log one line for each revision. Alembic calls this just before it commits the revision."""
    way = "up to" if step.is_upgrade else "down from"
    logger.info("schema: %s %s", way, step.up_revision_id)
