"""A migration that waits for somebody's long transaction does not keep the service waiting."""

import asyncio
import logging
import time
from itertools import pairwise

import pytest
from sqlalchemy import Connection

from service.migrations import connections, upgrading
from tests.faults.history import History, Reader, check_answers, check_rows
from tests.faults.test_exhaustion import session
from tests.migrations.databases import Database
from tests.migrations.test_waiting import until
from tests.servers import Gunicorn

BLOCKED = 4.0  # seconds in which nobody is served, at most


def change_table(connection: Connection) -> None:
    """What a revision may do: it needs the table for itself."""
    with connection.begin():
        connection.exec_driver_sql("ALTER TABLE books ADD COLUMN note text")


async def migrate(database: Database) -> None:
    async with connections.connect(database.settings.database) as connection:
        await upgrading._patiently(connection, change_table)


async def test_long_transaction(
    service: Gunicorn,
    database: Database,
    readers: list[Reader],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, logger="service")
    history = History(service.url)
    with history.load(readers):
        await asyncio.sleep(0.5)
        async with session(database) as other:
            transaction = other.transaction()
            await transaction.start()
            await other.execute("SELECT count(*) FROM books")
            began = time.monotonic()
            migrating = asyncio.create_task(migrate(database))
            await until(lambda: caplog.text.count("a table is in use, trying again") >= 2)
            await transaction.rollback()
        await asyncio.wait_for(migrating, 30)
        await asyncio.sleep(0.5)
    await history.finish()
    check_answers(history.operations)
    meanwhile = [op for op in history.since(began) if op.kind in ("list", "add")]
    served = sorted(op.began + op.seconds for op in meanwhile if op.outcome == "ok")
    assert max(after - before for before, after in pairwise(served)) < BLOCKED
    assert database.value("SELECT count(*) FROM books WHERE note IS NULL") > 0
    check_rows(history, database)
