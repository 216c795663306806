"""Statements that are compiled once, and asked on any connection of `service.db`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import starmap
from typing import Any, Generic, Protocol, TypeVar, cast

from sqlalchemy import Executable
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

RowT = TypeVar("RowT")
Row = Sequence[Any]
# Entered around each statement, BEGIN and COMMIT included, with the statement's text: for traces.
Observer = Callable[[str], AbstractContextManager[None]]


class Connection(Protocol):
    """A connection, in a transaction or committing each statement by itself."""

    @property
    def dialect(self) -> str:
        """Return "postgresql" or "sqlite"."""

    async def fetch(self, statement: "Statement[Any]", values: dict[str, object]) -> Sequence[Row]:
        """Run a statement with the values of its parameters, and return its rows."""


class Statement(Generic[RowT]):
    """A statement of SQLAlchemy Core, each of whose rows becomes `row(*columns)`.

    SQLAlchemy takes longer to make the text of a statement than PostgreSQL takes to run it, so the
    text is made once: see decision 21. `build` is the statement, or a function that makes it for
    "postgresql" or "sqlite". Every value that changes must be a `bindparam`.
    """

    def __init__(
        self, build: Executable | Callable[[str], Executable], row: Callable[..., RowT]
    ) -> None:
        self._build = build
        self._built: dict[str, Executable] = {}
        self.row = row

    async def all(self, connection: Connection, **values: object) -> list[RowT]:
        """Return every row. The values are those of the statement's parameters, by name."""
        return list(starmap(self.row, await connection.fetch(self, values)))

    async def first(self, connection: Connection, **values: object) -> RowT | None:
        """Return the first row, or None."""
        rows = await connection.fetch(self, values)
        return self.row(*rows[0]) if rows else None

    async def one(self, connection: Connection, **values: object) -> RowT:
        """Return the first row of a statement that always has one."""
        [first, *_] = await connection.fetch(self, values)
        return self.row(*first)

    def for_dialect(self, dialect: str) -> Executable:
        """Return the statement as SQLAlchemy runs it."""
        if not callable(self._build):
            return self._build
        if dialect not in self._built:
            self._built[dialect] = self._build(dialect)
        return self._built[dialect]

    @cached_property
    def for_asyncpg(self) -> tuple[str, tuple[str, ...], dict[str, object]]:
        """Return the text with $1, $2 …, the parameters' names in that order, and constants."""
        # A service on SQLite starts without it.
        from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

        statement = cast(ClauseElement, self.for_dialect("postgresql"))
        compiled = cast(
            SQLCompiler,
            statement.compile(
                dialect=asyncpg_dialect(), compile_kwargs={"render_postcompile": True}
            ),
        )
        # A column's default that SQLAlchemy would compute in Python before each run.
        if computed := (*compiled.insert_prefetch, *compiled.update_prefetch):
            raise TypeError(f"the statement gives no value to {computed}")
        given = {name for name, parameter in compiled.binds.items() if parameter.required}
        constants = {name: value for name, value in compiled.params.items() if name not in given}
        return str(compiled), tuple(compiled.positiontup or ()), constants


def scalar(value: Any) -> Any:
    """Return the only column of a row: `Statement(…, scalar)`."""
    return value
