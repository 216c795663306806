"""Several at once, and locks that others hold: it ends at head, or says why."""

import asyncio
import fcntl
import io
import logging
import multiprocessing
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from service.migrations import SchemaError, connections, head, locks, upgrade, upgrading
from service.migrations.revisions import parents
from tests.faults.scale import scale
from tests.migrations.databases import Database
from tests.migrations.test_command import MIGRATE, environment
from tests.migrations.test_killed import FORKS
from tests.migrations.test_waiting import until

# Takes the lock as a migration does, says so, and goes on for ever.
HOLD_ADVISORY = """
import psycopg2, sys, time
connection = psycopg2.connect(sys.argv[1])
connection.cursor().execute("SELECT pg_advisory_lock(%s)", [int(sys.argv[2])])
print("held", flush=True)
time.sleep(600)
"""
HOLD_FILE = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="service")
    monkeypatch.setitem(connections.SESSION_SETTINGS, "lock_timeout", "100ms")
    monkeypatch.setattr(connections, "SQLITE_BUSY_TIMEOUT", 100)
    monkeypatch.setattr(upgrading, "PAUSE", 0.05)


@pytest.mark.parametrize("_number", range(scale(1, 20)))
def test_eight_commands_at_once(database: Database, _number: int) -> None:
    started = [
        subprocess.Popen(MIGRATE, env=environment(database), stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    logs = [process.communicate(timeout=90)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 8, logs
    assert _steps("".join(logs)) == dict.fromkeys(parents(), 1)
    assert database.revision() == head()


@pytest.mark.parametrize("_number", range(scale(2, 20)))
def test_eight_at_once_take_over_the_flask_database(flask_database: Database, _number: int) -> None:
    told = FORKS.Queue()
    started = [
        FORKS.Process(target=_upgrade_and_tell, args=(flask_database.url, told)) for _ in range(8)
    ]
    for process in started:
        process.start()
    logs = [told.get(timeout=60) for _ in started]
    for process in started:
        process.join(30)
    assert [process.exitcode for process in started] == [0] * 8
    assert _steps("".join(logs)) == dict.fromkeys(parents().keys() - {"baseline"}, 1)
    assert "".join(logs).count("taken over as baseline") == 1
    assert flask_database.revision() == head()


def _upgrade_and_tell(url: str, told: "multiprocessing.Queue[str]") -> None:
    log = io.StringIO()
    logging.basicConfig(stream=log, level=logging.INFO)
    try:
        asyncio.run(upgrade(Database(url).settings))
    finally:
        told.put(log.getvalue())


def _steps(log: str) -> Counter[str]:
    """How often each revision was applied."""
    return Counter(re.findall(r"schema: up to (\w+)", log))


@contextmanager
def _locked_table(database: Database) -> Iterator[None]:
    """Somebody's long transaction."""
    with database.connect() as connection:
        connection.exec_driver_sql("UPDATE books SET rating = rating")
        yield


async def test_table_in_use_for_a_while(
    flask_database: Database, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    with _locked_table(flask_database):
        task = asyncio.create_task(upgrade(flask_database.settings))
        await until(lambda: caplog.text.count("a table is in use, trying again") >= 2)
    await asyncio.wait_for(task, 30)
    assert flask_database.revision() == head()


async def test_table_in_use_for_ever(
    flask_database: Database, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "ATTEMPTS", 2)
    with (
        _locked_table(flask_database),
        pytest.raises(SchemaError, match=r"the database failed: .*(lock timeout|is locked)"),
    ):
        await asyncio.wait_for(upgrade(flask_database.settings), 30)
    # SQLite has one lock for everything.
    assert flask_database.is_sqlite or flask_database.revision() == "legacy_books"
    await asyncio.wait_for(upgrade(flask_database.settings), 30)
    assert flask_database.revision() == head()


@contextmanager
def _held(database: Database) -> Iterator[None]:
    """The lock of the schema, held here."""
    if database.is_sqlite:
        with open(f"{database.path}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with database.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({locks.KEY})")
        yield


async def test_another_migration_at_work_for_long(database: Database) -> None:
    with _held(database), pytest.raises(SchemaError, match=r"running for 0\.3 seconds"):
        await asyncio.wait_for(upgrade(database.settings, lock_wait=0.3), 30)
    assert database.tables() == set()


async def test_another_migration_that_ends(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0
    poll = locks._poll

    async def count(attempt: locks.Attempt, wait: float) -> None:
        async def counted() -> bool:
            nonlocal attempts
            attempts += 1
            return await attempt()

        await poll(counted, wait)

    monkeypatch.setattr(locks, "_poll", count)
    with _held(database):
        task = asyncio.create_task(upgrade(database.settings))
        await until(lambda: attempts >= 3)
        if not database.is_sqlite:
            # Polled: nobody waits inside of the server, with a snapshot that others wait for.
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            assert database.value(waiting) == 0
    await asyncio.wait_for(task, 30)
    assert database.revision() == head()


def test_lock_of_a_dead_process(database: Database) -> None:
    held = [f"{database.path}.lock"] if database.is_sqlite else [database.url, str(locks.KEY)]
    script = HOLD_FILE if database.is_sqlite else HOLD_ADVISORY
    command = [sys.executable, "-c", script, *held]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(SchemaError, match="another migration"):
            asyncio.run(upgrade(database.settings, lock_wait=0.1))
        process.kill()
    asyncio.run(upgrade(database.settings, lock_wait=10))
    assert database.revision() == head()


def test_the_command_line_takes_the_lock_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll = locks._poll
    monkeypatch.setattr(locks, "_poll", lambda attempt, _: poll(attempt, 0.1))
    with _held(database), pytest.raises(SchemaError, match="another migration"):
        database.go_up()
    assert database.tables() == set()
