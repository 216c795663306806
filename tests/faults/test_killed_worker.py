"""A worker that is killed in the middle of writes."""

import asyncio
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.faults.conftest import sign_up
from tests.faults.history import History, check_rows
from tests.faults.waiting import eventually, ready
from tests.live.processes import children
from tests.migrations.databases import Database
from tests.servers import gunicorn

KILLS = 4


@pytest.fixture
def sqlite(migrated_sqlite: Path, tmp_path: Path) -> Database:
    path = tmp_path / "own.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    return Database(f"sqlite:///{path}")


async def test_kill(database_url: str, tmp_path: Path) -> None:
    """What was acknowledged is there, what was not is whole or absent, and work goes on."""
    database = Database(database_url)
    readers = await sign_up(database, tmp_path, 6)
    environment = {
        "CONFIG_TYPE": "testing",
        "SECRET_KEY": "a key for tests that is 0123456789 long",
        "DATABASE_URL": database.url,
        "MIGRATE_ON_START": "0",
        "RATE_LIMITS": "0",
    }
    with gunicorn(environment) as service:
        history = History(service.url)
        with history.load(readers, pause=0.005):
            for _ in range(KILLS):
                await asyncio.sleep(0.5)
                os.kill(children(service.pid)[0], signal.SIGKILL)

                async def two_workers() -> bool:
                    return len(children(service.pid)) == 2

                await eventually(two_workers, within=10)
        await history.finish()
        await eventually(ready(service.url), within=10)
        quiet = time.monotonic()
        await asyncio.gather(*(history.do("add", reader) for reader in readers))
        assert all(op.status == 303 for op in history.since(quiet))
        assert "unforeseen error" not in service.log()
    assert sum(op.kind == "add" and op.outcome == "ok" for op in history.operations) > 20
    check_rows(history, database)
    if database.is_sqlite:
        check_integrity(database)


async def test_sqlite_writers(sqlite: Database, tmp_path: Path) -> None:
    """Two processes with ten writers each: they wait for each other, and nobody gets a 500."""
    database, writers = sqlite, 10
    readers = await sign_up(database, tmp_path, writers)
    environment = {"CONFIG_TYPE": "testing", "DATABASE_URL": database.url, "MIGRATE_ON_START": "0"}
    with gunicorn(environment) as service:
        history = History(service.url)

        async def write(number: int) -> None:
            for _ in range(10):
                await history.do("add", readers[number % writers])

        await asyncio.gather(*(write(number) for number in range(2 * writers)))
        assert {op.status for op in history.operations} <= {303, 503}
        served = sum(op.status == 303 for op in history.operations)
        assert served > 0.9 * len(history.operations)
        assert "unforeseen error" not in service.log()
    check_rows(history, database)
    check_integrity(database)


def check_integrity(database: Database) -> None:
    connection = sqlite3.connect(database.path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    finally:
        connection.close()
