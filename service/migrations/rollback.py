"""Handles a schema of a later release: rolling a release back does not undo its migrations."""

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from service.migrations.revisions import parents

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def is_of_later_release(connection: "AsyncConnection", revision: str | None) -> bool:
    """Return whether the revision is unknown to us, but the database has every column we need.

    If a column is missing, the connection's transaction is rolled back.
    """
    if revision is None or revision in parents():
        return False
    # Imported here, because most starts find the schema at head and do not need the models.
    from service.models import metadata

    try:
        for table in metadata.sorted_tables:
            await connection.execute(select(table).limit(0))
    except DBAPIError:
        await connection.rollback()
        return False
    return True
