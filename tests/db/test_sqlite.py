"""The embedded database, where it differs from a server."""

import sqlite3
from pathlib import Path

import pytest
from quart import Quart

from service.app import create_app
from service.config import Settings
from tests.people import add_person


@pytest.fixture
def file(migrated_sqlite: Path, tmp_path: Path) -> Path:
    """A database as migrations leave it: nobody has served it yet."""
    path = tmp_path / "app.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    return path


@pytest.fixture
def sqlite_app(file: Path, tmp_path: Path) -> Quart:
    environment = {"CONFIG_TYPE": "testing", "DATABASE_URL": f"sqlite:///{file}"}
    return create_app(Settings.from_env(environment, root=tmp_path))


async def test_sqlite_open_elsewhere(sqlite_app: Quart, file: Path) -> None:
    """A file that another process reads at the first request is served, not refused as locked."""
    other = sqlite3.connect(file, isolation_level=None)
    assert journal_mode(other) == "delete", "the change of mode is what is tested"
    other.execute("BEGIN")
    other.execute("SELECT * FROM users").fetchall()
    async with sqlite_app.test_app():
        answer = await sqlite_app.test_client().get("/status")
        assert answer.status_code == 200
        other.execute("ROLLBACK")
        alice = await add_person(sqlite_app, "alice@example.com")
        assert (
            await alice.post("/books/add", {"book_title": "T", "book_author": "A"})
        ).status_code == 303
    other.close()


async def test_sqlite_readers_beside_writer(sqlite_app: Quart, file: Path) -> None:
    """Served alone, the file gets the mode in which nobody waits for a writer to read."""
    async with sqlite_app.test_app():
        assert (await sqlite_app.test_client().get("/status")).status_code == 200
    other = sqlite3.connect(file)
    assert journal_mode(other) == "wal"
    other.close()


def journal_mode(connection: sqlite3.Connection) -> str:
    mode: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return mode
