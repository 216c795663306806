"""PgBouncer in between: in transaction mode it is refused by its name, in session mode it serves.

In transaction mode several processes share a session: prepared statements of one are run by
another one, and a migration's lock stays behind.
"""

import asyncio
import json
import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from service.cli.checks import database_risks
from service.config import Settings
from service.migrations import SchemaError, upgrade
from tests.faults.conftest import check_log
from tests.faults.history import History, Kind, Reader, check_rows, is_try_later, send
from tests.faults.waiting import ready
from tests.live.sockets import ask
from tests.migrations.conftest import new_postgresql
from tests.migrations.databases import Database
from tests.poolers import OURS, needs_pgbouncer, pgbouncer
from tests.servers import gunicorn
from tests.waiting import eventually

pytestmark = needs_pgbouncer
BOOKS = "/api/v1/books"
KINDS: tuple[Kind, ...] = ("list", "add", "register", "login")


@pytest.fixture
def empty(postgresql_url: str) -> Iterator[Database]:
    with new_postgresql(postgresql_url) as database:
        yield database


def settings_of(url: str) -> Settings:
    return Settings.from_env({"CONFIG_TYPE": "testing", "DATABASE_URL": url})


async def test_transaction_mode_is_not_migrated(empty: Database) -> None:
    """From the first start on, not from the second, which finds the statements of the first."""
    with pgbouncer(empty.url, "transaction") as url:
        for _ in range(2):
            with pytest.raises(SchemaError, match=r"transaction mode, such as PgBouncer.*direct U"):
                await upgrade(settings_of(url))
    assert empty.tables() == set()


@pytest.mark.parametrize("ignored", [True, False], ids=["settings_ignored", "settings_refused"])
async def test_transaction_mode_migrating_is_off(
    environment: dict[str, str], database: Database, readers: list[Reader], ignored: bool
) -> None:
    """It says so at the start, and answers 503 whatever is asked for; nothing is written."""
    with (
        pgbouncer(database.url, "transaction", OURS if ignored else ()) as url,
        gunicorn(environment | {"DATABASE_URL": url}, workers=2) as service,
    ):
        assert "such as PgBouncer" in service.log()
        assert "use the database's direct URL, or a pooler in session mode" in service.log()
        history = History(service.url)
        for kind in KINDS:
            for reader in readers[:7]:
                operation = await history.do(kind, reader)
                assert operation.answer is not None
                assert is_try_later(operation.answer), (kind, operation.status)
        for path in ("/livez", "/login"):  # which need no database
            answer = await send(service.url, "GET", path)
            assert answer is not None
            assert answer.status == 200, path
        program = await ask(service.url, "GET", BOOKS, "Authorization: Bearer readlog_pat_x")
        assert program.status == 503
        assert json.loads(program.body)["code"] == "DATABASE_UNAVAILABLE"
        probe = await send(service.url, "GET", "/readyz")
        assert probe is not None
        assert (probe.status, probe.body) == (503, b'{"status":"unavailable"}')
        check_log(service.log())
        # At the start, and then once in each worker.
        assert service.log().count("such as PgBouncer") <= 3
        assert "Traceback" not in service.log()
    assert database.value("SELECT count(*) FROM books") == 0


async def test_session_mode(
    environment: dict[str, str], database: Database, readers: list[Reader]
) -> None:
    with pgbouncer(database.url, "session") as url:
        await upgrade(settings_of(url))
        with gunicorn(environment | {"DATABASE_URL": url}, workers=2) as service:
            await eventually(ready(service.url), within=10)
            history = History(service.url)
            await asyncio.gather(*(history.do("add", reader) for reader in readers))
            assert {operation.status for operation in history.operations} == {303}
            check_log(service.log())
    check_rows(history, database)


async def test_settings_that_a_pooler_drops(database: Database) -> None:
    """Nothing would bound how long a lock is waited for, until the role has them."""
    name = f"role_{secrets.token_hex(4)}"
    database.run(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{name}'")
    own = make_url(database.url).set(username=name, password=name)
    try:
        with pgbouncer(own.render_as_string(hide_password=False), "session") as url:
            [warning] = await database_risks(settings_of(url))
            assert "a pooler in between drops our settings" in warning.text
            database.run(f"ALTER ROLE {name} SET lock_timeout = '1500ms'")
        with pgbouncer(own.render_as_string(hide_password=False), "session") as url:
            assert await database_risks(settings_of(url)) == []
    finally:
        database.run(f"DROP ROLE {name}")
