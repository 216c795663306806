"""DELETE in batches: each statement ends long before its time-out."""

from sqlalchemy import Column, ColumnElement, Table, bindparam, delete, select

from service.db.statements import Connection, Statement, scalar

BATCH = 500  # rows; well under a second on a small server


class DeleteBatch:
    """Deletes a batch of the rows that match a condition.

    `order` is a column of the condition that has an index. Locked rows are skipped, because several
    processes delete at the same moment.
    """

    def __init__(self, table: Table, expired: ColumnElement[bool], order: Column[object]) -> None:
        [key] = table.primary_key
        # FOR UPDATE keeps PostgreSQL from running the part again for each row.
        batch = (
            select(key)
            .where(expired)
            .order_by(order)
            .limit(bindparam("size"))
            .with_for_update(skip_locked=True)
            .cte("batch")
        )
        deleted = delete(table).where(key.in_(select(batch.c[key.name]))).returning(key)
        self._statement = Statement(deleted, scalar)

    async def __call__(self, connection: Connection, size: int = BATCH) -> int:
        """Delete at most `size` rows, and return their number."""
        # Python's sqlite3 has no rowcount for a statement that begins with WITH.
        return len(await self._statement.all(connection, size=size))
