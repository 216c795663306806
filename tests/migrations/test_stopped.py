"""SIGTERM in the middle of a migration: it ends at once, and the next one goes on from there."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from service.migrations import head, upgrade
from tests.deploy.instances import START, instance
from tests.migrations.databases import Database
from tests.migrations.test_command import MIGRATE, environment
from tests.migrations.test_concurrency import _locked_table
from tests.migrations.test_killed import Whole, runs, whole
from tests.migrations.test_round_trip import in_order
from tests.servers import free_port

__all__ = ["runs", "whole"]  # fixtures
QUICK = 20.0  # seconds; locked out, it would go on for half a minute


@pytest.mark.parametrize(
    ("command", "moment"),
    [(START, "while_waiting"), (START, "legacy_books"), (MIGRATE, "while_waiting")],
    ids=["start_waiting", "start_at_work", "migrate_waiting"],
)
def test_stopped(
    flask_database: Database, whole: Whole, tmp_path: Path, command: str, moment: str
) -> None:
    variables = environment(flask_database, PORT=str(free_port()), HOME=str(tmp_path))
    with instance(variables, tmp_path / "log", [command]) as it:
        if moment == "while_waiting":
            with _locked_table(flask_database):
                it.wait_for_line("a table is in use, trying again")
                began = time.monotonic()
                status = it.stop()
                assert time.monotonic() - began < QUICK
        else:
            it.wait_for_line(f"schema: up to {moment}")
            status = it.stop()
    # bin/migrate may be through with it; else the signal itself ends it, and shells say 143.
    assert status == 0 or (command == MIGRATE and status == -signal.SIGTERM)
    assert "Traceback" not in it.log()
    if "alembic_version" in flask_database.tables():
        assert flask_database.revision() in in_order()
    asyncio.run(upgrade(flask_database.settings))
    assert flask_database.revision() == head()
    assert flask_database.shape() == whole.shape
    assert flask_database.content_without_times() == whole.content
