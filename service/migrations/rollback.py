"""What a rollback leaves: it takes back the release, and not its migrations."""

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.migrations.revisions import parents


async def is_of_later_release(connection: AsyncConnection, revision: str | None) -> bool:
    """Whether a database's revision is unknown to us, but every column of ours is there.

    Where one is missing, the connection's transaction is rolled back.
    """
    if revision is None or revision in parents():
        return False
    # Imported where somebody needs it: most starts find the schema at head.
    from service.models import Base

    try:
        for table in Base.metadata.sorted_tables:
            await connection.execute(select(table).limit(0))
    except DBAPIError:
        await connection.rollback()
        return False
    return True
