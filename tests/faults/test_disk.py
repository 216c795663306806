"""A disk that takes nothing more: reads go on, writes are asked to come back, nothing is half.

On SQLite the limit is the library's own, or the operating system's for one file. On PostgreSQL a
trigger says what the server says when a table cannot grow; where its log cannot, it ends itself,
which is what test_restart is about.
"""

from pathlib import Path

import pytest

from tests.faults.conftest import sign_up
from tests.faults.history import History, Reader, check_rows, is_try_later
from tests.faults.test_killed_worker import check_integrity
from tests.migrations.databases import Database
from tests.servers import Gunicorn, gunicorn

ENOUGH = 100  # books, for which there is no room
LIMITS = {
    "no_more_pages": {"PRAGMA": "max_page_count=1"},  # none but those that there are
    "no_larger_files": {"FILE_SIZE": str(96 * 1024)},
    "read_only": {"PRAGMA": "query_only=on"},
}
REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
"""


async def fill(history: History, readers: list[Reader]) -> None:
    """Write until it is refused; reads are not, and some small thing may still fit."""
    for number in range(ENOUGH):
        operation = await history.do("add", readers[number % len(readers)])
        if operation.status != 303:
            break
    assert operation.status == 503
    for reader in readers:
        for kind in ("add", "register"):
            operation = await history.do(kind, reader)
            assert operation.answer is not None
            assert operation.status == 303 or is_try_later(operation.answer), operation
        assert (await history.do("list", reader)).status == 200
        assert (await history.do("wrong", reader)).status == 422


@pytest.mark.parametrize("limit", LIMITS)
async def test_sqlite(sqlite: Database, tmp_path: Path, limit: str) -> None:
    database = sqlite
    readers = await sign_up(database, tmp_path, 3)
    environment = {
        "CONFIG_TYPE": "testing",
        "DATABASE_URL": database.url,
        "MIGRATE_ON_START": "0",
        "RATE_LIMITS": "0",
    }
    history = History("")
    app = "tests.faults.full:create_app()"
    with gunicorn(environment | LIMITS[limit], app=app) as service:
        history.url = service.url
        await fill(history, readers)
        assert "unforeseen error" not in service.log()
    with gunicorn(environment) as service:
        history.url = service.url
        for reader in readers:
            assert (await history.do("add", reader)).status == 303
    check_rows(history, database)
    check_integrity(database)


async def test_postgresql(service: Gunicorn, database: Database, readers: list[Reader]) -> None:
    history = History(service.url)
    for reader in readers:
        assert (await history.do("add", reader)).status == 303
    refuse = "BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION refuse()"
    tables = ("books", "users", "sessions")
    database.run(REFUSE, *(f"CREATE TRIGGER refuse {refuse.format(table)}" for table in tables))
    await fill(history, readers[:3])
    database.run(*(f"DROP TRIGGER refuse ON {table}" for table in tables))
    for reader in readers:
        assert (await history.do("add", reader)).status == 303
    check_rows(history, database)
