"""A database of each test's own, the proxy in front of it, and the service behind both."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from service.app import create_app
from service.config import Settings
from tests.faults.history import Reader
from tests.faults.proxy import Proxy, proxy_to
from tests.migrations.databases import Database
from tests.people import add_person
from tests.servers import Gunicorn, gunicorn

Serve = Callable[..., AbstractContextManager[Gunicorn]]


@pytest.fixture
def database(migrated_postgresql: str) -> Iterator[Database]:
    """An empty database at head, that a test may ruin; not through the proxy."""
    name = f"faults_{secrets.token_hex(6)}"
    template = make_url(migrated_postgresql).database
    server = make_url(migrated_postgresql).set(database="postgres")
    asyncio.run(
        _execute(server.render_as_string(False), f"CREATE DATABASE {name} TEMPLATE {template}")
    )
    yield Database(server.set(database=name).render_as_string(hide_password=False))
    asyncio.run(_execute(server.render_as_string(False), f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def sqlite(migrated_sqlite: Path, tmp_path: Path) -> Database:
    """An empty SQLite at head, for what can only happen to one."""
    path = tmp_path / "own.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    return Database(f"sqlite:///{path}")


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with proxy_to(database.url) as proxy:
        yield proxy


@pytest.fixture
def environment(database: Database, proxy: Proxy) -> dict[str, str]:
    """The variables of a service that reaches its database through the proxy."""
    return {
        "CONFIG_TYPE": "testing",
        "SECRET_KEY": "a key for tests that is 0123456789 long",
        "DATABASE_URL": proxy.url(database.url),
        "MIGRATE_ON_START": "0",
        # Everybody comes from one address, and more often than people do.
        "RATE_LIMITS": "0",
    }


@pytest.fixture
def service(environment: dict[str, str]) -> Iterator[Gunicorn]:
    """Two workers. Whatever the test does to their database, nothing is unforeseen."""
    with gunicorn(environment) as server:
        yield server
        check_log(server.log())


@pytest.fixture
async def readers(database: Database, tmp_path: Path) -> list[Reader]:
    """Ten people, signed in."""
    return await sign_up(database, tmp_path, 10)


def check_log(log: str) -> None:
    """Nothing unforeseen in it; where there is, what it was."""
    for sign in ("unforeseen error", "non-checked-in connection", "never retrieved"):
        before, found, after = log.partition(sign)
        if found:
            pytest.fail(f"{before[-500:]}{found}{after[:6000]}", pytrace=False)


async def sign_up(database: Database, folder: Path, count: int) -> list[Reader]:
    """People with an account each and a session."""
    environment = {"CONFIG_TYPE": "testing", "DATABASE_URL": database.url}
    app = create_app(Settings.from_env(environment, root=folder))
    readers = []
    async with app.test_app():
        for number in range(count):
            person = await add_person(app, f"reader{number}@example.com")
            cookie = f"readlog-session={person.cookie()}"
            readers.append(Reader(person.id, person.email, cookie))
    return readers


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
