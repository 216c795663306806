"""/readyz tries what the service needs of its database, and mostly costs one statement."""

import asyncio
import io
import re
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from quart import Quart
from sqlalchemy import Engine, event, make_url, text

from service import db
from service.app import create_app
from service.config import Settings
from service.exceptions import DatabaseUnavailableError
from service.migrations.needs import find_unmet
from service.models import metadata
from tests.file_modes import held_to_modes
from tests.live.sockets import ask as ask_server
from tests.log_output import under_gunicorn
from tests.people import execute
from tests.servers import free_port, served
from tests.statements import observed, run_on
from tests.wire import send

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
UNAVAILABLE = (503, b'{"status":"unavailable"}')
OK = (200, b'{"status":"ok"}')
EVERY_TABLE = "ON ALL TABLES IN SCHEMA public"
EVERY_SEQUENCE = "ON ALL SEQUENCES IN SCHEMA public"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    with under_gunicorn() as stream:
        yield stream


async def ask(app: Quart) -> tuple[int, bytes]:
    answer = await send(app, target="/readyz")
    return answer.status, answer.body


async def trials_end(app: Quart) -> None:
    """A trial runs beside the requests."""
    trial = app.extensions["readiness"]._trial
    if trial is not None:
        await asyncio.wait({trial})


@asynccontextmanager
async def statements_of(app: Quart) -> AsyncIterator[list[str]]:
    found: list[str] = []

    pool = app.extensions["database"].pool

    def note(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if pool.dialect == "postgresql" or connection.engine.pool is not pool.engine.pool:
            found.append(statement)

    # The trial has a connection of its own, which SQLAlchemy makes.
    event.listen(Engine, "before_cursor_execute", note)
    try:
        with observed(app, found.append):
            yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_one_statement_most_of_the_time(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is tried at first, and again when its time has come."""
    async with statements_of(app) as statements:
        assert await ask(app) == OK
        await trials_end(app)
        assert any("DELETE FROM users" in statement for statement in statements)
        statements.clear()
        for _ in range(5):
            assert await ask(app) == OK
        assert statements == ["SELECT 1"] * 5
        monkeypatch.setattr(app.extensions["readiness"], "_due", 0.0)
        assert await ask(app) == OK
        await trials_end(app)
        assert any("DELETE FROM users" in statement for statement in statements)


async def test_many_at_once(app: Quart) -> None:
    """However many ask, one trial is under way."""
    async with statements_of(app) as statements:
        assert set(await asyncio.gather(*(ask(app) for _ in range(5)))) == {OK}
        await trials_end(app)
    assert sum("alembic_version" in statement for statement in statements) == 1


async def test_nothing_is_changed(app: Quart) -> None:
    """No row, no transaction id, which would be written to the WAL, and no lock that is kept."""
    async with app.app_context(), db.trial() as connection:
        await connection.run_sync(find_unmet)
        if connection.dialect.name == "postgresql":
            query = text("SELECT pg_current_xact_id_if_assigned() IS NULL")
            assert await connection.scalar(query)
            locks = text("SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid()")
            modes = set((await connection.scalars(locks)).all())
            # These keep nobody from reading or writing rows.
            assert modes <= {"AccessShareLock", "RowExclusiveLock", "ExclusiveLock"}
    async with app.app_context(), db.read() as connection:
        for table in metadata.tables:
            assert await run_on(connection, f"SELECT count(*) FROM {table}") == [(0,)]


@on_sqlite
async def test_waiting_for_a_trial_is_bounded(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is not known, the database that answers counts as one that works."""
    monkeypatch.setattr("service.server.readiness.FIRST_WAIT", 0.01)
    going_on = asyncio.Event()

    @asynccontextmanager
    async def silent() -> AsyncIterator[Any]:
        await going_on.wait()
        raise DatabaseUnavailableError
        yield

    monkeypatch.setattr("service.server.readiness.db.trial", silent)
    assert await ask(app) == OK
    going_on.set()
    await trials_end(app)
    assert await ask(app) == OK


class Role:
    """A role of the test's own, and the URL of the service as this role."""

    def __init__(self, owner: asyncpg.Connection, url: str, name: str) -> None:
        self.owner = owner
        self.name = name
        changed = make_url(url).set(username=name, password=name)
        self.url = changed.render_as_string(hide_password=False)

    async def grant(self, rights: str) -> None:
        await self.owner.execute(f"GRANT {rights} TO {self.name}")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Quart]:
        variables = {"CONFIG_TYPE": "testing", "DATABASE_URL": self.url}
        app = create_app(Settings.from_env(variables))
        async with app.test_app():
            yield app


@pytest.fixture
async def role(migrated_postgresql: str) -> AsyncIterator[Role]:
    """May connect, and read which revision the schema has."""
    owner = await asyncpg.connect(migrated_postgresql)
    name = f"role_{secrets.token_hex(4)}"
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    try:
        await owner.execute(f"GRANT SELECT ON alembic_version TO {name}")
        yield Role(owner, migrated_postgresql, name)
    finally:
        await owner.execute(f"DROP OWNED BY {name}")
        await owner.execute(f"DROP ROLE {name}")
        await owner.close()


@pytest.mark.parametrize(
    ("granted", "reason"),
    [
        ([], "no right to SELECT, INSERT, UPDATE, DELETE on access_tokens, books,"),
        ([f"SELECT {EVERY_TABLE}"], "no right to INSERT, UPDATE, DELETE on access_tokens, books,"),
        (
            [f"SELECT, INSERT, UPDATE {EVERY_TABLE}", f"USAGE {EVERY_SEQUENCE}"],
            "no right to DELETE on access_tokens, books, idempotency_keys, legacy_books,",
        ),
        ([f"ALL {EVERY_TABLE}"], "from the sequence access_tokens_id_seq of postgres, which this"),
    ],
)
async def test_rights(role: Role, output: io.StringIO, granted: list[str], reason: str) -> None:
    """What is missing is named, and as soon as it is granted the service is ready."""
    for rights in granted:
        await role.grant(rights)
    async with role.serving() as app:
        for _ in range(3):
            assert await ask(app) == UNAVAILABLE
        assert output.getvalue().count(reason) == 1
        await role.grant(f"ALL {EVERY_TABLE}")
        await role.grant(f"USAGE {EVERY_SEQUENCE}")
        app.extensions["readiness"]._due = 0.0
        assert await ask(app) == OK


async def test_least_rights(role: Role, output: io.StringIO) -> None:
    """No more is asked for than the manual says."""
    await role.grant(f"SELECT, INSERT, UPDATE, DELETE {EVERY_TABLE}")
    await role.owner.execute(f"REVOKE INSERT, UPDATE ON legacy_books FROM {role.name}")
    await role.owner.execute(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role.name}")
    await role.grant(f"USAGE {EVERY_SEQUENCE}")
    async with role.serving() as app:
        assert await ask(app) == OK
        await trials_end(app)
        assert await ask(app) == OK


async def test_read_only_database(role: Role, output: io.StringIO) -> None:
    await role.grant(f"ALL {EVERY_TABLE}")
    await role.grant(f"ALL {EVERY_SEQUENCE}")
    await role.owner.execute(f"ALTER ROLE {role.name} SET default_transaction_read_only = on")
    async with role.serving() as app:
        assert await ask(app) == UNAVAILABLE
    assert "it is read-only: a standby, or default_transaction_read_only is on" in output.getvalue()


BEHIND = {
    "sqlite": ("UPDATE sqlite_sequence SET seq = 3 WHERE name = 'users'",),
    "postgresql": ("ALTER SEQUENCE users_id_seq RESTART WITH 4",),
}
BESIDE = {
    "sqlite": ("UPDATE sqlite_sequence SET seq = 9 WHERE name = 'users'",),
    "postgresql": ("ALTER SEQUENCE users_id_seq RESTART WITH 10",),
}


async def test_generator_behind(settings: Settings, output: io.StringIO) -> None:
    kind = "sqlite" if settings.database.is_sqlite else "postgresql"
    app = create_app(settings)
    async with app.test_app():
        await execute(
            app,
            "INSERT INTO users (id, email, password_hashed, registered_on)"
            " VALUES (9, 'a@example.com', '!', '2024-01-01')",
            *BEHIND[kind],
        )
        assert await ask(app) == UNAVAILABLE
        expected = "the next id of users would be 4, and there are rows up to 9"
        assert output.getvalue().count(expected) == 1
        await execute(app, *BESIDE[kind])
        app.extensions["readiness"]._due = 0.0
        assert await ask(app) == OK


@on_postgresql
async def test_lock_is_no_refusal(app: Quart, database_url: str) -> None:
    """A migration or a restore that holds a table for long leaves the service as it is."""
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE books")
            for _ in range(2):
                assert await ask(app) == OK
                await trials_end(app)
        assert not app.extensions["readiness"]._is_known
        assert await ask(app) == OK
        await trials_end(app)
        assert app.extensions["readiness"]._is_known
    finally:
        await other.close()


@pytest.mark.parametrize("closed", ["app.db", "."], ids=["file", "folder"])
async def test_sqlite_that_may_not_be_written(
    migrated_sqlite: Path, tmp_path: Path, closed: str
) -> None:
    """The file itself, or the folder in which SQLite makes others beside it."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(migrated_sqlite, folder / "app.db")
    variables = {
        "CONFIG_TYPE": "testing",
        "SECRET_KEY": "a key for tests that is 0123456789 long",
        "DATABASE_URL": f"sqlite:///{folder}/app.db",
        "MIGRATE_ON_START": "0",
    }
    (folder / closed).chmod(0o555)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
    try:
        command = held_to_modes(*command, "service.app:create_app()")
        with served(command, variables, port, "/livez", 200) as service:
            answer = await ask_server(service.url, "GET", "/readyz")
            assert (answer.status, answer.body) == UNAVAILABLE
            assert (await ask_server(service.url, "GET", "/livez")).status == 200
            [line] = [line for line in service.log().splitlines() if "UNAVAILABLE" in line]
            assert re.search("readonly database|unable to open database file", line)
            assert "unforeseen" not in service.log()
    finally:
        (folder / closed).chmod(0o755)
