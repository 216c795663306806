"""The tables of a dump: reads their rows, encodes a row as a line and decodes it again."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from math import isfinite
from typing import Annotated, Any

import msgspec
from sqlalchemy import Column, String, Table, TypeDecorator, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.cli.backup.format import LINE_LIMIT, PROGRESS_ROWS, BackupError, Progress, encode_line
from service.models import metadata

# Tables that are not dumped, with the reason. All other tables of the models are dumped.
EXCLUDED = {
    "idempotency_keys": "answers of the last day, for requests that are repeated",
    "rate_limits": "counts of the last minutes: without them, people may try a little more",
}
BATCH = 500  # rows in memory at once

# SQLite's columns accept values of any type, and legacy_books contains such values of the Flask
# application: a rating of 4.5, for example. A dump keeps them unchanged.
_KINDS: dict[type, tuple[type, ...]] = {
    int: (int, float, str),
    str: (str, int, float),
    float: (float, int),
    bool: (bool,),
    bytes: (bytes,),
    datetime: (datetime,),
}


@dataclass(frozen=True)
class StoredTable:
    """A table of the models that is part of a dump."""

    table: Table

    @property
    def name(self) -> str:
        """The table's name in the database and in the dump."""
        return str(self.table.name)  # a plain str: SQLAlchemy's own class is a subclass

    @cached_property
    def columns(self) -> list[str]:
        """The names of the columns, in the order of the models."""
        return [str(column.name) for column in self.table.columns]

    async def lines(self, connection: AsyncConnection, progress: Progress) -> AsyncGenerator[bytes]:
        """Yield every row as a line, in the order of the primary key; BATCH rows are in memory.

        Raises BackupError for a value that a dump cannot keep.
        """
        keys = [_sortable(column, connection) for column in self.table.primary_key]
        statement = select(self.table).order_by(*keys).execution_options(yield_per=BATCH)
        count = 0
        async with connection.stream(statement) as result:
            async for row in result:
                yield self.encode(row)
                count += 1
                if count % PROGRESS_ROWS == 0:
                    progress(self.name, count)

    def encode(self, row: Sequence[Any]) -> bytes:
        """Return the line of a row. Raises BackupError for a value that JSON would change."""
        values = dict(zip(self.columns, row, strict=True))
        for column, value in values.items():
            if value is not None and not _is_faithful(value, self._kinds[column]):
                raise BackupError(
                    f"{self.name}.{column} holds a value that a dump cannot keep,"
                    f" of type {type(value).__name__}, where {self._key(values)}"
                )
        line = encode_line({"table": self.name, "row": values})
        if len(line) > LINE_LIMIT:
            raise BackupError(
                f"a row of {self.name} is longer than {LINE_LIMIT} bytes, where {self._key(values)}"
            )
        return line

    def decode(self, row: msgspec.Raw, *, sqlite: bool) -> dict[str, Any]:
        """Return the values of a row, for the database.

        Raises BackupError for values whose type does not fit the column.
        """
        try:
            values = msgspec.structs.asdict(self._decoder(sqlite=sqlite).decode(row))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BackupError(f"{self.name}: {error}") from None
        if not sqlite:
            self._refuse_nul(values)
        return values

    @cache  # noqa: B019 - there are few tables, and each lives as long as the process
    def _decoder(self, *, sqlite: bool) -> Any:
        fields = []
        for column in self.table.columns:
            kind: Any = python_type(column)
            for other in _KINDS[kind] if sqlite else ():
                kind |= other
            if kind is datetime:
                kind = Annotated[datetime, msgspec.Meta(tz=True)]
            fields.append((str(column.name), kind | None if column.nullable else kind))
        shape = msgspec.defstruct(self.name, fields, forbid_unknown_fields=True)
        return msgspec.json.Decoder(shape)

    @cached_property
    def _kinds(self) -> dict[str, tuple[type, ...]]:
        return {str(column.name): _KINDS[python_type(column)] for column in self.table.columns}

    def _refuse_nul(self, values: dict[str, Any]) -> None:
        for column, value in values.items():
            if isinstance(value, str) and "\0" in value:
                raise BackupError(
                    f"{self.name}.{column} holds a NUL character, which PostgreSQL cannot keep,"
                    f" where {self._key(values)}"
                )

    def _key(self, values: dict[str, Any]) -> str:
        return ", ".join(f"{key.name} is {values[key.name]!r}" for key in self.table.primary_key)


@cache
def stored_tables() -> tuple[StoredTable, ...]:
    """Return the tables of a dump. Each comes after the tables that it refers to."""
    tables = metadata.sorted_tables
    return tuple(StoredTable(table) for table in tables if table.name not in EXCLUDED)


def python_type(column: Column[Any]) -> type:
    """Return the Python type of a column's values."""
    kind = column.type
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return kind.python_type


def _sortable(column: Column[Any], connection: AsyncConnection) -> Any:
    """Return the column for ORDER BY. PostgreSQL gets a collation that sorts as SQLite does."""
    if connection.dialect.name == "postgresql" and isinstance(column.type, String):
        return column.collate("C")
    return column


def _is_faithful(value: object, kinds: tuple[type, ...]) -> bool:
    # JSON has no infinity, and bytes would come back as the text of their base64.
    return type(value) in kinds and (type(value) is not float or isfinite(value))
