"""Restores a dump into a database, all of it or nothing."""

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any, BinaryIO

from sqlalchemy import delete, exists, insert, select, text
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from service import migrations
from service.cli.backup.connections import rewriting
from service.cli.backup.format import BackupError, Header, Progress
from service.cli.backup.reader import Contents, Reader, Row
from service.cli.backup.tables import BATCH, StoredTable, stored_tables
from service.config import Settings
from service.db.failure_texts import explain
from service.migrations.generators import raise_behind
from service.models import metadata

_BROKEN_REFERENCES = text("PRAGMA foreign_key_check")


async def restore(
    settings: Settings, stream: BinaryIO, progress: Progress, *, replace: bool
) -> tuple[Header, Contents]:
    """Fill the database from a dump; return the dump's header and the summary of each table.

    With `replace`, existing data is deleted first. Raises SchemaError for a database that cannot be
    reached, is in use or is not at head. Raises BackupError for a dump that is damaged or of
    another revision, for a database that is not empty, and for rows that the database refuses.
    After an error the database is unchanged.
    """
    reader = Reader(stream)
    require_fitting(reader.header)
    async with rewriting(settings) as connection:
        if replace:
            await _delete_all(connection)
        else:
            await _require_empty(connection)
        await _insert_all(connection, reader.rows(progress))
        await _finish(connection)
    return reader.header, reader.contents


def require_fitting(header: Header) -> None:
    """Raise BackupError for a dump with another schema than this release's."""
    if header.revision != migrations.head():
        raise BackupError(
            f"the dump was made at schema revision {header.revision}, and this release has"
            f" {migrations.head()}: restore it with the release that made it, then migrate"
        )
    if header.tables != {stored.name: stored.columns for stored in stored_tables()}:
        raise BackupError("the dump has other tables or columns than this release")


async def _require_empty(connection: AsyncConnection) -> None:
    for stored in stored_tables():
        if await connection.scalar(select(exists().select_from(stored.table))):
            raise BackupError(
                f"the database is not empty, there are rows in {stored.name}:"
                " --replace deletes them first, `readlog compare` compares and changes nothing"
            )


async def _delete_all(connection: AsyncConnection) -> None:
    """Delete all rows, also of tables that are not dumped: these may refer to deleted rows."""
    for table in reversed(metadata.sorted_tables):
        await connection.execute(delete(table))


async def _insert_all(connection: AsyncConnection, rows: Iterable[Row]) -> None:
    tables = {stored.name: stored for stored in stored_tables()}
    for name, of_table in groupby(rows, lambda row: row.table):
        for batch in _batches(of_table):
            await _insert(connection, tables[name], batch)


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


async def _insert(connection: AsyncConnection, stored: StoredTable, batch: list[Row]) -> None:
    sqlite = connection.dialect.name == "sqlite"
    try:
        values = [_decode(stored, row, sqlite=sqlite) for row in batch]
        await connection.execute(insert(stored.table), values)
    except StatementError as error:
        lines = f"lines {batch[0].number} to {batch[-1].number}"
        raise BackupError(f"the database refuses {lines}: {explain(error)}") from error


def _decode(stored: StoredTable, row: Row, *, sqlite: bool) -> dict[str, Any]:
    try:
        return stored.decode(row.values, sqlite=sqlite)
    except BackupError as error:
        raise BackupError(f"the database cannot take line {row.number}: {error}") from None


async def _finish(connection: AsyncConnection) -> None:
    # This connection does not enforce foreign keys on SQLite, so they are checked at the end.
    on_sqlite = connection.dialect.name == "sqlite"
    if on_sqlite and (broken := (await connection.execute(_BROKEN_REFERENCES)).first()):
        raise BackupError(f"a row of {broken[0]} refers to one of {broken[2]} that is missing")
    # Generators are only raised: a rollback does not undo that, and no id may be given twice.
    await connection.run_sync(raise_behind, tuple(stored.name for stored in stored_tables()))
