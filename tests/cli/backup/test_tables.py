"""Every table is in a dump, those of later releases too, unless it is left out by name."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Boolean, Column, Float, ForeignKey, LargeBinary, String, Table

from service.cli.backup import tables
from service.cli.backup.tables import EXCLUDED, python_type, stored_tables
from service.cli.maintenance import connect_at_head
from service.config import Settings
from service.models import metadata
from service.models.base import UtcDateTime
from tests.cli.backup.databases import (
    NOON,
    dump,
    execute,
    fill,
    load,
    rows_of,
    some_of_everything,
    stored,
)


async def test_all_tables_but_those_excluded(filled: Settings) -> None:
    header = json.loads((await dump(filled)).splitlines()[0])
    names = {table.name for table in metadata.sorted_tables}
    assert EXCLUDED.keys() <= names
    assert header["tables"].keys() == names - EXCLUDED.keys()
    for table in metadata.sorted_tables:
        if table.name not in EXCLUDED:
            assert header["tables"][table.name] == [column.name for column in table.columns]


def test_sample_has_every_table() -> None:
    """A table that the other tests would move without a row in it proves nothing."""
    assert {table.name for table in some_of_everything()} == {
        table.name for table in stored_tables()
    }


def test_every_column_can_be_kept() -> None:
    for table in stored_tables():
        for column in table.table.columns:
            assert python_type(column) in tables._KINDS, f"{column} is of a type that no dump knows"


def test_no_table_refers_to_itself() -> None:
    """Rows come in the order of their keys: one could come before the row that it refers to."""
    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            assert key.column.table is not table


@pytest.fixture
def later_table() -> Iterator[Table]:
    """What a later release may add: a text as key, and types that no table has yet."""
    table = Table(
        "laters",
        metadata,
        Column("name", String(), primary_key=True),
        Column("user_id", ForeignKey("users.id"), nullable=False),
        Column("ratio", Float(53)),
        Column("is_on", Boolean()),
        Column("data", LargeBinary()),
        Column("at", UtcDateTime()),
    )
    stored_tables.cache_clear()
    yield table
    metadata.remove(table)
    stored_tables.cache_clear()


async def test_later_table(here: Settings, there: Settings, later_table: Table) -> None:
    """It is dumped by itself, and comes back the same from the other database."""
    names = ["b", "A", "ä", "a", "Z", "_", "\U0001f600", "ｚ"]  # a language sorts otherwise
    rows = [
        {"name": name, "user_id": 3, "ratio": 0.1 + n, "is_on": n > 3, "data": b"\0", "at": NOON}
        for n, name in enumerate(names)
    ]
    none = {"ratio": None, "is_on": None, "data": None, "at": None}
    rows.append({"name": "none", "user_id": 12, **none})
    try:
        for settings in (here, there):
            await _create(settings, later_table)
        await fill(here, {**some_of_everything(), later_table: rows})
        data = await dump(here)
        await load(there, data)
        assert await stored(there) == await stored(here)
        assert rows_of(await dump(there)) == rows_of(data)
        assert data.count(b'"table":"laters"') == len(rows)
    finally:
        for settings in (here, there):
            await execute(settings, "DROP TABLE IF EXISTS laters")


async def _create(settings: Settings, table: Table) -> None:
    async with connect_at_head(settings) as connection:
        await connection.run_sync(table.create)
        await connection.commit()
