"""Workers, or the whole service, that are killed in the middle of writes."""

import asyncio
import os
import signal
import sqlite3
import time
from pathlib import Path

from tests.deploy.instances import START, instance, venv
from tests.faults.conftest import sign_up
from tests.faults.history import History, check_rows
from tests.faults.scale import scale
from tests.faults.waiting import ready
from tests.live.processes import children, is_alive
from tests.migrations.databases import Database
from tests.servers import free_port, gunicorn
from tests.waiting import eventually

KILLS = scale(4, 50)
ENDS = scale(2, 20)  # of everything
WRITERS = 40  # for two processes


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


async def test_kill_everything(database_url: str, tmp_path: Path) -> None:
    """Who starts it again needs the port: workers whose master was killed alone leave, too."""
    database = Database(database_url)
    readers = await sign_up(database, tmp_path, 6)
    environment = venv() | {
        "HOME": str(tmp_path),
        "CONFIG_TYPE": "testing",
        "SECRET_KEY": "a key for tests that is 0123456789 long",
        "DATABASE_URL": database.url,
        "PORT": str(free_port()),
        "WEB_CONCURRENCY": "2",
        "RATE_LIMITS": "0",
    }
    history = History(f"http://127.0.0.1:{environment['PORT']}")
    for number in range(ENDS):
        with instance(environment, tmp_path / f"log{number}", [START]) as it:
            await asyncio.to_thread(it.wait_for_line, "Application startup complete.", 2)
            began = time.monotonic()

            async def served(began: float = began) -> bool:
                return any(op.outcome == "ok" for op in history.since(began))

            with history.load(readers, pause=0.005):
                await eventually(served, within=20)
                await asyncio.sleep(0.3)
                workers = children(it.pid)
                (os.killpg if number % 2 else os.kill)(it.pid, signal.SIGKILL)

                async def gone(workers: list[int] = workers) -> bool:
                    return not any(map(is_alive, workers))

                await eventually(gone, within=20)  # what is under way is finished first
            await history.finish()
            assert "unforeseen error" not in it.log()
    check_rows(history, database)
    if database.is_sqlite:
        check_integrity(database)


async def test_sqlite_writers(sqlite: Database, tmp_path: Path) -> None:
    """Two processes with twenty writers each: they wait for each other, and nobody gets a 500."""
    database = sqlite
    readers = await sign_up(database, tmp_path, 10)
    environment = {"CONFIG_TYPE": "testing", "DATABASE_URL": database.url, "MIGRATE_ON_START": "0"}
    with gunicorn(environment) as service:
        history = History(service.url)

        async def write(number: int) -> None:
            for _ in range(scale(5, 25)):
                await history.do("add", readers[number % len(readers)])

        await asyncio.gather(*(write(number) for number in range(WRITERS)))
        assert {op.status for op in history.operations} <= {303, 503}
        # One disk, which others use as well: the pool's second of patience may end on it.
        served = sum(op.status == 303 for op in history.operations)
        assert served > len(history.operations) / 2
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
