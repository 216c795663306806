"""The ten faults of the Flask application that this service replaces: none is here again."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner
from quart import Quart
from quart.cli import ScriptInfo
from sqlalchemy import Pool, event, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from werkzeug.security import generate_password_hash

from service import migrations
from service.config import ConfigurationError, Settings
from service.limits.rules import LOGIN_PER_ACCOUNT
from service.models import books_table, rate_limits_table, sessions_table, users_table
from tests.books.forms import a_book
from tests.clocks import record_holds
from tests.markup import parse
from tests.people import PASSWORD, Browser, Person, add_user, count, rows, text_of
from tests.production import ORIGIN, production

EMAIL = "carol@example.com"
RIGHT = {"email": EMAIL, "password": PASSWORD, "confirm": PASSWORD}
WRONG = {"email": EMAIL, "password": "wrong horse battery"}


def app_files(folder: Path) -> list[Path]:
    """What the service wrote."""
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
async def empty_postgresql(postgresql_url: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings for a database that has no table."""
    name = f"faults_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(postgresql_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        url = make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)
        environment = {"CONFIG_TYPE": "testing", "DATABASE_URL": url}
        yield Settings.from_env(environment, root=tmp_path)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


async def test_fault_1_two_workers_create_the_tables(empty_postgresql: Settings) -> None:
    """Several processes that start on an empty database all succeed."""
    await asyncio.gather(*(migrations.upgrade(empty_postgresql) for _ in range(3)))
    connect = make_url(empty_postgresql.database.url).set(drivername="postgresql")
    connection = await asyncpg.connect(connect.render_as_string(hide_password=False))
    try:
        assert await connection.fetchval("SELECT count(*) FROM users") == 0
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == (
            migrations.head()
        )
    finally:
        await connection.close()


async def test_fault_2_hash_longer_than_its_column(app: Quart, nobody: Browser) -> None:
    """Anybody can register, and the longest hash of the Flask application fits."""
    legacy = generate_password_hash(PASSWORD)
    assert len(legacy) > 128
    await add_user(app, "dave@example.com", legacy)
    assert (await nobody.post("/register", RIGHT)).status_code == 303
    assert (await nobody.post("/logout")).status_code == 303
    response = await nobody.post("/login", {"email": "dave@example.com", "password": PASSWORD})
    assert response.status_code == 303
    assert await count(app, users_table) == 2


async def test_fault_3_get_deletes(app: Quart, alice: Person) -> None:
    """A link only asks; the button deletes, and only from our own page."""
    [book_id] = await alice.has_books("Emma")
    path = f"/books/{book_id}/delete"
    assert (await alice.get(path)).status_code == 200
    assert (await alice.client.post(path)).status_code == 403
    assert (await alice.post(path, headers={"Origin": "https://evil.example"})).status_code == 403
    assert await count(app, books_table) == 1
    assert (await alice.post(path)).status_code == 303
    assert await count(app, books_table) == 0


async def test_fault_4_editing_does_not_validate(app: Quart, alice: Person) -> None:
    """Editing checks like adding, an empty field is not "keep", and an id is a number."""
    [book_id] = await alice.has_books("Emma")
    path = f"/books/{book_id}/edit"
    for wrong in ({"book_rating": "99"}, {"book_rating": "abc"}, {"book_title": ""}):
        assert (await alice.post(path, a_book() | wrong)).status_code == 422
    assert (await alice.post(path)).status_code == 422
    assert await rows(app, books_table.c.title, books_table.c.rating) == [("Emma", None)]
    for method in (alice.get, alice.post):
        assert (await method("/books/abc/edit")).status_code == 404
    assert (await parse(await alice.get(path))).fields["book_title"] == "Emma"


async def test_fault_5_next_is_ignored_and_failures_tell(
    app: Quart, nobody: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`next` is followed; unknown and known addresses fail alike and are held equally long."""
    holds = record_holds(monkeypatch)
    await add_user(app, EMAIL)
    pages = []
    for email in (EMAIL, "nobody@example.com"):
        response = await nobody.post("/login", WRONG | {"email": email})
        assert response.status_code == 401
        pages.append((await text_of(response)).replace(email, ""))
    assert pages[0] == pages[1]
    assert len(holds) == 2
    response = await nobody.post("/login", RIGHT | {"next": "/profile"})
    assert response.location == "/profile"


async def test_fault_6_no_protection(
    app: Quart, nobody: Browser, alice: Person, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sign-ins are limited, sessions can be ended, no key is public, headers are there."""
    record_holds(monkeypatch)
    for _ in range(LOGIN_PER_ACCOUNT.count):
        assert (await nobody.post("/login", WRONG)).status_code == 401
    response = await nobody.post("/login", WRONG)
    assert response.status_code == 429
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert await count(app, rate_limits_table) > 0

    token = alice.cookie() or ""
    await alice.post("/logout")
    assert await count(app, sessions_table) == 0
    alice.set_cookie(token)
    assert (await alice.get("/profile")).status_code == 303

    for key in (None, "BAD_SECRET_KEY", "x" * 50):
        variables = production(database_url) | ({"SECRET_KEY": key} if key else {})
        if key is None:
            del variables["SECRET_KEY"]
        with pytest.raises(ConfigurationError, match="SECRET_KEY"):
            Settings.from_env(variables)
    settings = Settings.from_env(production(database_url))
    assert settings.secure_cookies
    assert settings.public_url == ORIGIN


async def test_fault_7_status_makes_engines(
    app: Quart, nobody: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One engine for as long as the service runs, and no connection for each call."""
    await nobody.get("/status")
    made: list[object] = []
    make = Pool.__init__

    def note(self: Pool, *args: Any, **options: Any) -> None:
        made.append(self)
        make(self, *args, **options)

    def note_connection(*args: object) -> None:
        made.append(args)

    monkeypatch.setattr(Pool, "__init__", note)
    event.listen(Pool, "connect", note_connection)
    try:
        for _ in range(5):
            assert (await nobody.get("/status")).status_code == 200
        assert made == []
        create_async_engine("sqlite+aiosqlite://")
        assert len(made) == 1, "this test would have noticed"
    finally:
        event.remove(Pool, "connect", note_connection)


async def test_fault_8_list_of_everything(app: Quart, alice: Person) -> None:
    """Of 60 books a page shows and reads 25, with a way to the others."""
    await alice.has_books(*(f"Book {number}" for number in range(1, 61)))
    page = await parse(await alice.get("/books/"))
    assert page.cells[4::4] == [f"Book {number}" for number in range(60, 35, -1)]
    assert any(link.startswith("/books/?after=") for link in page.links)


async def test_fault_9_init_db_destroys(app: Quart, alice: Person) -> None:
    """Bringing a database to the newest schema, as often as anybody likes, loses nothing."""
    await alice.has_books("Emma")
    for _ in range(2):
        info = ScriptInfo(create_app=lambda *_: app)
        command = app.cli.commands["init_db"]
        result = await asyncio.to_thread(CliRunner().invoke, command, [], obj=info)
        assert result.exit_code == 0, result.output
        await migrations.upgrade(app.extensions["settings"])
    assert await rows(app, books_table.c.title) == [("Emma",)]
    assert (await alice.get("/profile")).status_code == 200


async def test_fault_10_logs_in_files_and_books_on_stdout(
    app: Quart,
    alice: Person,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No handler writes to a file, and nothing that people type reaches output or log."""
    await alice.post("/books/add", a_book(book_title="A very private title"))
    await alice.get("/books/")
    written = capfd.readouterr()
    assert written.out == ""
    for text in (written.err, caplog.text, *(repr(record.args) for record in caplog.records)):
        assert "private title" not in text
        assert "George Eliot" not in text
    for logger in (logging.getLogger("service"), logging.getLogger("service.access"), app.logger):
        for handler in logger.handlers:
            assert not isinstance(handler, logging.FileHandler)
    assert {path.suffix for path in app_files(tmp_path)} <= {".db", ".db-wal", ".db-shm", ".lock"}
