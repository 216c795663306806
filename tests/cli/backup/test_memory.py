"""However many rows there are, only some hundred are in memory at once."""

import asyncio
import io
import tracemalloc
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, BinaryIO, cast

from service.cli.backup.files import opened, replacing
from service.cli.backup.restoring import restore
from service.cli.backup.writer import back_up
from service.config import Settings
from tests.cli.backup.databases import execute, fill, ignore, some_of_everything

ROWS = 50_000  # some 10 MB as lines, and five times that as Python's objects
BOUND = 3_000_000  # bytes; some 1,000,000 are used

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})",
    "postgresql": "WITH n(i) AS (SELECT * FROM generate_series(1, {rows}))",
}


def test_writing(here: Settings, kind: str) -> None:
    asyncio.run(_many_books(here, kind))
    stream = Nowhere()
    peak = _peak(lambda: back_up(here, cast(BinaryIO, stream), ignore))
    assert stream.size > 2 * BOUND
    assert peak < BOUND


def test_restoring(on_sqlite: Settings, tmp_path: Path) -> None:
    asyncio.run(_many_books(on_sqlite, "sqlite"))
    path = tmp_path / "dump.gz"
    with replacing(path) as packed:
        asyncio.run(back_up(on_sqlite, packed, ignore))
    with opened(str(path)) as stream:
        peak = _peak(lambda: _restore(on_sqlite, stream))
    assert peak < BOUND


async def _restore(settings: Settings, stream: BinaryIO) -> dict[str, int]:
    _, contents = await restore(settings, stream, ignore, replace=True)
    return {table: content.rows for table, content in contents.items()}


class Nowhere(io.RawIOBase):
    """Keeps nothing but how much it was."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.size += len(data)
        return len(data)


def _peak(work: Callable[[], Coroutine[Any, Any, dict[str, int]]]) -> int:
    """Bytes that were in use at most, beyond those that were before."""
    tracemalloc.start(1)
    try:
        assert asyncio.run(work())["books"] == ROWS + 9
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def _many_books(settings: Settings, kind: str) -> None:
    await fill(settings, some_of_everything())
    await execute(
        settings,
        _NUMBERS[kind].format(rows=ROWS)
        + " INSERT INTO books (id, title, author, rating, user_id, created_at, updated_at)"
        " SELECT 1000 + i, 'The title of book ' || i, 'An author', 1 + i % 5, 3,"
        " '2024-02-29 12:00:00', '2024-02-29 12:00:00' FROM n",
    )
