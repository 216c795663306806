"""Reads that are compiled once and give plain rows: what every page waits for.

SQLAlchemy's way from a statement to its rows costs several times what asyncpg takes for the same
rows, so on PostgreSQL the compiled text goes to asyncpg directly, on a connection of the same
pool. The other database gets the same statement the ordinary way. docs/decisions has the figures.
"""

from asyncio import CancelledError
from collections.abc import Callable
from functools import cached_property
from itertools import starmap
from typing import Any, Generic, TypeVar

from asyncpg import Connection as Driver
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db.failures import OUT_OF_STEP

RowT = TypeVar("RowT")
# What a statement here can be asked on: SQLAlchemy's connection, or the asyncpg one inside of it,
# whose borrower looks after its errors.
Readable = AsyncConnection | Driver


def is_spoilt(driver: Driver, error: BaseException) -> bool:
    """Whether a connection must not be used again after this error of a statement."""
    return driver.is_closed() or isinstance(error, (*OUT_OF_STEP, CancelledError))


class Read(Generic[RowT]):
    """A SELECT with bound parameters, each of whose rows becomes `row(*columns)`."""

    def __init__(self, statement: Select[*tuple[Any, ...]], row: Callable[..., RowT]) -> None:
        self.statement = statement
        self.row = row

    async def all(self, connection: Readable, **values: object) -> list[RowT]:
        """Every row. The values are those of the statement's parameters, by name."""
        return list(starmap(self.row, await self._fetch(connection, values)))

    async def first(self, connection: Readable, **values: object) -> RowT | None:
        """The first row, or None."""
        rows = await self._fetch(connection, values)
        return self.row(*rows[0]) if rows else None

    async def _fetch(self, connection: Any, values: dict[str, object]) -> Any:
        text, names = self._asyncpg
        inner: Any = getattr(connection, "sync_connection", None)
        if inner is None:
            return await connection.fetch(text, *(values[name] for name in names))
        # Whoever listens for statements, to trace or to count them, is to see these too.
        if inner.dialect.name != "postgresql" or inner.dispatch.before_cursor_execute:
            return (await connection.execute(self.statement, values)).all()
        driver = inner.connection.driver_connection
        try:
            return await driver.fetch(text, *(values[name] for name in names))
        except BaseException as error:
            # SQLAlchemy looks at errors only where it runs the statement itself.
            if is_spoilt(driver, error):
                await connection.invalidate(error)
            raise

    @cached_property
    def _asyncpg(self) -> tuple[str, tuple[str, ...]]:
        """The text with $1, $2, … and the names of the parameters in that order."""
        compiled = self.statement.compile(dialect=asyncpg_dialect())
        return str(compiled), tuple(compiled.positiontup or ())
