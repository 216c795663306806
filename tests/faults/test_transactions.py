"""Two hundred times a connection is ended in the middle of a transaction; the pool stays whole."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart

from service import db
from service.app import create_app
from service.config import Settings
from service.exceptions import DatabaseUnavailableError
from tests.faults.history import History, Reader, check_answers, check_rows
from tests.faults.scale import scale
from tests.faults.test_exhaustion import session
from tests.migrations.databases import Database
from tests.servers import Gunicorn
from tests.statements import run_on

TIMES = 200
AT_ONCE = 10  # what the pool gives
WRITERS = scale(20, 40)
# Those that are at a write. Their end is not waited for, so that it comes at any point of it.
TERMINATE_WRITERS = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND application_name = 'readlog' AND backend_xid IS NOT NULL
"""
MOMENTS = ["begun", "idle_too_long", "in_a_statement", "before_commit", "reading"]


@pytest.fixture
async def app(database: Database, tmp_path: Path) -> AsyncIterator[Quart]:
    """On a direct connection, in this process."""
    variables = {"CONFIG_TYPE": "testing", "DATABASE_URL": database.url}
    app = create_app(Settings.from_env(variables, root=tmp_path))
    async with app.test_app(), app.app_context():
        yield app


async def end(database: Database, pid: int) -> None:
    await asyncio.to_thread(database.rows, f"SELECT pg_terminate_backend({pid}, 5000)")


async def be_ended(database: Database, moment: str) -> None:
    """Write or read on a connection that the server ends at this moment."""
    if moment == "reading":
        async with db.read() as connection:
            pid = (await run_on(connection, "SELECT pg_backend_pid()"))[0][0]
            ending = asyncio.create_task(end(database, pid))
            try:
                await run_on(connection, "SELECT pg_sleep(2)")
            finally:
                await ending
    async with db.transaction() as connection:
        pid = (await run_on(connection, "SELECT pg_backend_pid()"))[0][0]
        if moment == "begun":
            await end(database, pid)
            await asyncio.sleep(0.01)
        await run_on(connection, "INSERT INTO half_done VALUES (1)")
        if moment == "idle_too_long":
            limit = "SET LOCAL idle_in_transaction_session_timeout = 1"  # millisecond
            await run_on(connection, limit)
            await asyncio.sleep(0.05)
            await run_on(connection, "SELECT 1")
        elif moment == "in_a_statement":
            ending = asyncio.create_task(end(database, pid))
            try:
                await run_on(connection, "SELECT pg_sleep(2)")
            finally:
                await ending
        else:
            await end(database, pid)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_ended(app: Quart, database: Database, moment: str) -> None:
    """Each says that the database is away; afterwards every connection of the pool serves."""
    database.run("CREATE TABLE half_done (id integer)")
    for _ in range(TIMES // AT_ONCE // len(MOMENTS) * scale(1, len(MOMENTS))):
        ended = await asyncio.gather(
            *(be_ended(database, moment) for _ in range(AT_ONCE)), return_exceptions=True
        )
        assert {type(error) for error in ended} == {DatabaseUnavailableError}
    assert app.extensions["database"].pool.queue.in_use == 0
    assert database.value("SELECT count(*) FROM half_done") == 0

    async def use() -> int:
        async with db.transaction() as connection:
            pid = (await run_on(connection, "SELECT pg_backend_pid() FROM pg_sleep(0.2)"))[0][0]
        async with db.read() as connection:
            assert (await run_on(connection, "SELECT 1"))[0][0] == 1
        return int(pid or 0)

    assert len(set(await asyncio.gather(*(use() for _ in range(AT_ONCE))))) == AT_ONCE


async def test_ended_while_writing(
    service: Gunicorn, database: Database, readers: list[Reader]
) -> None:
    """Writers whose connections end in the middle are told 503, and nothing of it is there."""
    database.run(
        "CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$",
        "CREATE TRIGGER take_time AFTER INSERT ON books FOR EACH ROW EXECUTE FUNCTION take_time()",
    )
    history = History(service.url)
    ended = 0
    async with asyncio.timeout(120), session(database) as other:
        with history.load(readers, each=WRITERS // len(readers), pause=0.005):
            while ended < TIMES:
                await asyncio.sleep(0.05)
                ended += await other.fetchval(TERMINATE_WRITERS)
        await history.finish()
    check_answers(history.operations)
    assert {op.status for op in history.operations if op.kind == "add"} == {303, 503}
    database.run("DROP TRIGGER take_time ON books")
    for kind in ("list", "add") * 3:
        await asyncio.gather(*(history.do(kind, reader) for reader in readers))
    assert {op.status for op in history.operations[-6 * len(readers) :]} == {200, 303}
    check_rows(history, database)
