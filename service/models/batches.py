"""DELETE of so many rows at once, that each statement ends long before its time-out."""

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from service.models.base import Base

BATCH = 500  # rows; well under a second on a small server


async def delete_batch(
    connection: AsyncConnection,
    table: type[Base],
    expired: ColumnElement[bool],
    order: InstrumentedAttribute[object],
    size: int,
) -> int:
    """Delete at most `size` of the rows that a condition is true for; returns their number.

    `order` is a column of the condition that has an index. Rows that somebody else has locked are
    left for the next time: several processes delete at the same moment.
    """
    [key] = table.__table__.primary_key
    # FOR UPDATE keeps PostgreSQL from running the part again for each row.
    batch = (
        select(key)
        .where(expired)
        .order_by(order)
        .limit(size)
        .with_for_update(skip_locked=True)
        .cte("batch")
    )
    deleted = delete(table).where(key.in_(select(batch.c[key.name]))).returning(key)
    # Counted, because Python's sqlite3 knows no rowcount of a statement that begins with WITH.
    return len((await connection.execute(deleted)).all())
