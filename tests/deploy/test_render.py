"""render.yaml does on Render what it says, as far as one machine can be Render.

A clean checkout, the build command in a new environment, Render's variables, the start command,
the health check; then the next release on the same database beneath people who use the service.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from service.migrations import head
from tests.deploy.instances import Instance, instance
from tests.deploy.load import Client
from tests.deploy.readers import Reader
from tests.deploy.render import HOST, PROXY, Site, check_out
from tests.migrations.conftest import new_postgresql
from tests.migrations.databases import Database
from tests.servers import free_port
from tests.waiting import eventually

OVERLAP = 2.0  # seconds, for Render's 60
READERS = 4
NEXT = f'''"""What the next release adds, beside which this one must go on."""

import sqlalchemy as sa
from alembic import op

revision: str = "next_release"
down_revision: str | None = "{head()}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("books", sa.Column("note", sa.Text))
    op.create_table("shelves", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("shelves")
    op.drop_column("books", "note")
'''


@pytest.fixture(scope="module")
def database(postgresql_url: str) -> Iterator[Database]:
    with new_postgresql(postgresql_url) as database:
        yield database


@pytest.fixture(scope="module")
def site(database: Database) -> Site:
    return Site.of(database.url.replace("postgresql://", "postgres://", 1))


@pytest.fixture(scope="module")
def built(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The present release."""
    checkout = check_out(tmp_path_factory.mktemp("present") / "src")
    site.build(checkout)
    return checkout


@pytest.fixture(scope="module")
def changed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next one: another title, and a migration. Its packages are the same."""
    checkout = check_out(tmp_path_factory.mktemp("next") / "src")
    (checkout / ".venv").symlink_to(built / ".venv")
    (checkout / "alembic" / "versions" / "2030-01-01_next_release.py").write_text(NEXT)
    page = checkout / "service" / "templates" / "index.html"
    text = page.read_text("utf-8").replace("{% block title %}", "{% block title %}The next release")
    page.write_text(text, "utf-8")
    return checkout


async def healthy(it: Instance, path: str) -> str:
    """Its URL, when it is as Render wants it: 2xx or 3xx within five seconds."""
    await asyncio.to_thread(it.wait)
    async with asyncio.timeout(5), Client() as client:
        status, _, _ = await client.ask(it.url, [f"GET {path} HTTP/1.1", f"Host: {HOST}"])
    assert 200 <= status < 400
    return it.url


async def see(url: str, path: str, cookie: str = "") -> str:
    """A page as a person reads it."""
    async with Client() as client:
        head = [f"GET {path} HTTP/1.1", *PROXY, f"Cookie: {cookie}"]
        status, _, page = await client.ask(url, head)
    assert status == 200
    return " ".join(re.sub(r"<[^>]*>", " ", page.decode()).split())


@asynccontextmanager
async def at_work(readers: Sequence[Reader]) -> AsyncIterator[None]:
    """They read and write until the block ends."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for reader in readers:
            group.create_task(reader.read_and_write(stop))
        try:
            yield
        finally:
            stop.set()


async def test_deploys(
    site: Site, built: Path, changed: Path, database: Database, tmp_path: Path
) -> None:
    """A first deploy, a second one under load, and a rollback: nobody notices any of it."""
    health = site.service["healthCheckPath"]
    old_environment = site.environment(built, free_port(), "0" * 40)
    new_environment = site.environment(changed, free_port(), "1" * 40)
    live = ""
    async with AsyncExitStack() as stack:
        old = stack.enter_context(instance(old_environment, tmp_path / "old", site.start, built))
        live = await healthy(old, health)
        assert "Release 0000000" in await see(live, "/status")
        readers = [
            await stack.enter_async_context(
                Reader(f"reader{number}@example.com", lambda: live, stays=number % 2 == 0)
            )
            for number in range(READERS)
        ]
        for reader in readers:
            await reader.register()

        async def all_have_added() -> bool:
            return all(reader.added for reader in readers)

        async def all_have_moved() -> bool:
            return [reader.where for reader in readers] == [new.url] * READERS

        async with at_work(readers):
            await eventually(all_have_added)
            new = stack.enter_context(
                instance(new_environment, tmp_path / "new", site.start, changed)
            )
            live = await healthy(new, health)
            await asyncio.sleep(OVERLAP)
            assert await asyncio.to_thread(old.stop) == 0
            await eventually(all_have_moved)
        assert await all_have_moved()
        assert "Release 1111111" in await see(live, "/status")
        assert "The next release" in await see(live, "/")
        assert await asyncio.to_thread(new.stop) == 0

        # The release is taken back, but not its migration: this one serves with it.
        old = stack.enter_context(instance(old_environment, tmp_path / "back", site.start, built))
        live = await healthy(old, health)
        assert readers[0].added[-1] in await see(live, "/books/", readers[0].cookie)
        assert "at next_release, which a later release made" in old.log()

    assert database.revision() == "next_release"
    check_history(readers, database)
    for name in ("old", "new", "back"):
        log = (tmp_path / name).read_text("utf-8")
        assert "Traceback" not in log
        assert "6.6.6.6" not in log


def check_history(readers: Sequence[Reader], database: Database) -> None:
    """Nothing failed; each book that somebody was told of is there once, and there is no other."""
    assert sum((reader.seen for reader in readers), Counter[str]()).keys() == {"well"}
    added = sorted(title for reader in readers for title in reader.added)
    assert len(added) > 2 * READERS
    assert sorted(title for (title,) in database.rows("SELECT title FROM books")) == added
