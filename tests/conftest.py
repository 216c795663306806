"""What every test may ask for: both databases, an application on each, and the cast.

Alice owns what a test is about, Bob is another person, nobody is signed out.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest
from quart import Quart
from sqlalchemy import make_url

from service import migrations
from service.app import create_app
from service.config import Settings
from tests.clocks import Clock, stopped_clock
from tests.compiled import compiled_once
from tests.interpreters import report
from tests.people import Browser, Person, add_person
from tests.servers import postgresql
from tests.statements import EMPTY

ENOUGH_MEMORY = 2**30  # bytes that are free; some tests add 100,000 books
SECRET_KEY = "a key for tests that is 0123456789 long"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In CI, name the interpreters that were used just before the closing line."""
    if lines := report.read():
        terminalreporter.section("interpreters")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session", autouse=True)
def compiled() -> Iterator[None]:
    with compiled_once():
        yield


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A database of a real PostgreSQL whose role may create others."""
    with postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file at head, to be copied."""
    folder = tmp_path_factory.mktemp("sqlite")
    path = folder / "template.db"
    _migrate(f"sqlite:///{path}", folder)
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(
    postgresql_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database at head, which each test leaves empty."""
    name = f"readlog_test_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    url = make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)
    asyncio.run(_execute(postgresql_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
    asyncio.run(_execute(postgresql_url, f'CREATE DATABASE "{name}"'))
    _migrate(url, tmp_path_factory.mktemp("postgresql"))
    yield url
    asyncio.run(_execute(postgresql_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.fixture(scope="session")
def in_memory() -> Iterator[Path | None]:
    """A folder for files of SQLite, which waits for the disk whenever an application ends."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < ENOUGH_MEMORY:
        yield None
        return
    with TemporaryDirectory(prefix="readlog-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, in_memory: Path | None
) -> Iterator[str]:
    """The URL of an empty database at head: the test runs once on each kind."""
    if request.param == "sqlite":
        with TemporaryDirectory(dir=in_memory or tmp_path) as folder:
            path = Path(folder, "app.db")
            shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
            yield f"sqlite:///{path}"
        return
    url = request.getfixturevalue("migrated_postgresql")
    yield url
    asyncio.run(_execute(url, EMPTY))


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    """The variables that `settings` is read from; a test may change them first."""
    return {"CONFIG_TYPE": "testing", "SECRET_KEY": SECRET_KEY, "DATABASE_URL": database_url}


@pytest.fixture
def settings(environment: dict[str, str], tmp_path: Path) -> Settings:
    return Settings.from_env(environment, root=tmp_path)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Quart]:
    """The application, serving."""
    app = create_app(settings)
    async with app.test_app():
        yield app


@pytest.fixture
async def second_app(settings: Settings) -> AsyncIterator[Quart]:
    """Another process of the service, on the same database."""
    app = create_app(settings)
    async with app.test_app():
        yield app


@pytest.fixture
async def clock(app: Quart, database_url: str) -> AsyncIterator[Clock]:
    """The database's clock: stands still until it is moved."""
    async with stopped_clock(app, database_url) as clock:
        yield clock


@pytest.fixture
def new_browser(app: Quart) -> Callable[[], Browser]:
    """Makes browsers that share no cookies."""
    return lambda: Browser(app)


@pytest.fixture
def nobody(app: Quart) -> Browser:
    """A browser that is signed out."""
    return Browser(app)


@pytest.fixture
async def alice(app: Quart) -> Person:
    """Owns what the test is about."""
    return await add_person(app, "alice@example.com")


@pytest.fixture
async def bob(app: Quart) -> Person:
    """Another person, who must not reach what is Alice's."""
    return await add_person(app, "bob@example.com")


def _migrate(url: str, folder: Path) -> None:
    environment = {"CONFIG_TYPE": "testing", "DATABASE_URL": url}
    asyncio.run(migrations.upgrade(Settings.from_env(environment, root=folder)))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
