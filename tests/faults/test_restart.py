"""PostgreSQL itself is ended in the middle of everything, and started again."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import migrations
from service.config import Settings
from tests.faults.conftest import sign_up
from tests.faults.history import History, check_answers, check_rows
from tests.faults.restarting import Server, restartable
from tests.faults.scale import scale
from tests.faults.waiting import BACK, ready, recovered
from tests.migrations.databases import Database
from tests.servers import Gunicorn, postgresql
from tests.waiting import eventually

CYCLES = scale(1, 10)
AWAY = scale(0.0, 20.0)  # seconds in each, at least


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[tuple[Server, Database]]:
    """A PostgreSQL of this test's own, whose database is at head."""
    if os.environ.get("TEST_DATABASE_URL"):
        pytest.skip("a server that was given is not ours to stop")
    with postgresql() as url, restartable(url) as server:
        variables = {"CONFIG_TYPE": "testing", "DATABASE_URL": url}
        asyncio.run(migrations.upgrade(Settings.from_env(variables, root=tmp_path)))
        database = Database(url)
        # Off in tests.servers: then a crash may lose what was acknowledged.
        database.run("ALTER DATABASE postgres SET synchronous_commit = on")
        yield server, database


@pytest.fixture
def database(own_server: tuple[Server, Database]) -> Database:
    return own_server[1]


async def test_crash_and_restart(
    service: Gunicorn, own_server: tuple[Server, Database], tmp_path: Path
) -> None:
    """503 meanwhile, everything within five seconds of its return, and nothing lost or doubled."""
    server, database = own_server
    readers = await sign_up(database, tmp_path, 10)
    history = History(service.url)
    with history.load(readers):
        for _ in range(CYCLES):
            await asyncio.sleep(1)
            await asyncio.to_thread(server.crash)
            await eventually(ready(service.url, 503), within=4)
            await asyncio.sleep(AWAY)
            await asyncio.to_thread(server.start)
            back = time.monotonic()
            await eventually(ready(service.url), within=BACK)
            await recovered(history, back)
    await history.finish()
    check_answers(history.operations, within=10)
    check_rows(history, database)
