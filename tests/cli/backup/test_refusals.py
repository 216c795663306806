"""What is refused although the dump is whole, and what a failing database leaves behind."""

import asyncio
import io
import re
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from service import migrations
from service.cli.backup.comparing import read_contents, stored_contents
from service.cli.backup.files import replacing
from service.cli.backup.format import BackupError
from service.cli.backup.writer import back_up
from service.cli.maintenance import connect_at_head
from service.config import Settings
from service.migrations import SchemaError
from service.migrations.connections import SESSION_SETTINGS
from service.models import legacy_books_table
from tests.cli.backup.databases import (
    dump,
    execute,
    fill,
    ignore,
    load,
    rows_of,
    settings_of,
    some_of_everything,
    stored,
)
from tests.cli.backup.streams import Watched
from tests.servers import free_port


@pytest.fixture
async def data(filled: Settings) -> bytes:
    return await dump(filled)


async def test_not_empty(data: bytes, there: Settings) -> None:
    await fill(there, {legacy_books_table: [{"id": 8, "reason": "r"}]})
    before = await stored(there)
    with pytest.raises(BackupError, match="not empty, there are rows in legacy_books: --replace"):
        await load(there, data)
    assert await stored(there) == before
    await load(there, data, replace=True)
    assert (await stored(there))["legacy_books"][0][0] == 1


async def test_other_revision(data: bytes, there: Settings) -> None:
    other = data.replace(f'"revision":"{migrations.head()}"'.encode(), b'"revision":"sessions"', 1)
    expected = f"at schema revision sessions, .* has {migrations.head()}:"
    with pytest.raises(BackupError, match=expected):
        await load(there, other)
    assert not any((await stored(there)).values())


async def test_other_columns(data: bytes, there: Settings) -> None:
    with pytest.raises(BackupError, match="other tables or columns than this release"):
        await load(there, data.replace(b'"reason"],', b'"cause"],', 1))


@pytest.mark.parametrize("revision", ["sessions", None])
async def test_database_not_at_head(data: bytes, filled: Settings, revision: str | None) -> None:
    """Neither dumped nor filled nor compared: the models do not fit it."""
    header, _ = read_contents(io.BytesIO(data), ignore)
    has = f"has the schema of revision {revision}" if revision else "has no schema"
    await execute(
        filled,
        f"UPDATE alembic_version SET version_num = '{revision}'"
        if revision
        else "DELETE FROM alembic_version",
    )
    try:
        for attempt in (
            load(filled, data, replace=True),
            dump(filled),
            stored_contents(filled, header, ignore),
        ):
            with pytest.raises(
                SchemaError, match=f"{has}, not of {migrations.head()}: run bin/migrate"
            ):
                await attempt
    finally:
        await _stamp(filled, revision)
    assert await dump(filled)


async def _stamp(settings: Settings, revision: str | None) -> None:
    from service.cli.maintenance import connected

    statement = f"UPDATE alembic_version SET version_num = '{migrations.head()}'"
    if revision is None:
        statement = f"INSERT INTO alembic_version VALUES ('{migrations.head()}')"
    async with connected(settings.database) as connection:
        await connection.execute(text(statement))
        await connection.commit()


async def test_nul(on_sqlite: Settings, on_postgresql: Settings) -> None:
    """SQLite can keep what PostgreSQL cannot; the row is named, so that it can be mended."""
    await fill(on_sqlite, {legacy_books_table: [{"id": 41, "title": "a\0b", "reason": "r"}]})
    data = await dump(on_sqlite)
    await load(on_sqlite, data, replace=True)
    with pytest.raises(BackupError, match=r"line 2: legacy_books.title holds a NUL .* id is 41"):
        await load(on_postgresql, data)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("4.5", r"cannot take line 2: legacy_books: Expected `int .* `float` - at `\$.rating`"),
        ("'five'", r"cannot take line 2: legacy_books: Expected `int .* `str` - at `\$.rating`"),
        ("3000000000", "refuses lines 2 to 2: .*out of int32 range"),
    ],
)
async def test_wrong_type(
    on_sqlite: Settings, on_postgresql: Settings, value: str, message: str
) -> None:
    await fill(on_sqlite, {legacy_books_table: [{"id": 41, "reason": "r"}]})
    await execute(on_sqlite, f"UPDATE legacy_books SET rating = {value}")
    with pytest.raises(BackupError, match=message):
        await load(on_postgresql, await dump(on_sqlite))


@pytest.mark.parametrize("value", ["x'00ff'", "9e999"])
async def test_value_that_no_line_can_keep(on_sqlite: Settings, value: str) -> None:
    """Rather no dump than another value in it."""
    await fill(on_sqlite, {legacy_books_table: [{"id": 41, "reason": "r"}]})
    await execute(on_sqlite, f"UPDATE legacy_books SET title = {value}, rating = {value}")
    with pytest.raises(BackupError, match=r"legacy_books\.\w+ holds a value .* where id is 41"):
        await dump(on_sqlite)


async def test_in_use(
    data: bytes, on_postgresql: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that somebody writes to is not waited for long."""
    monkeypatch.setitem(SESSION_SETTINGS, "lock_timeout", "300ms")
    before = await stored(on_postgresql)
    async with connect_at_head(on_postgresql) as connection, connection.begin():
        await connection.execute(text("UPDATE users SET email = email"))
        with pytest.raises(SchemaError, match="lock timeout"):
            await load(on_postgresql, data, replace=True)
        assert await dump(on_postgresql)  # which waits for nobody
    assert await stored(on_postgresql) == before


async def test_in_use_on_sqlite(on_sqlite: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.migrations.connections.SQLITE_BUSY_TIMEOUT", 200)
    await fill(on_sqlite, some_of_everything())
    data = await dump(on_sqlite)
    async with connect_at_head(on_sqlite) as connection, connection.begin():
        with pytest.raises(SchemaError, match="database is locked"):
            await load(on_sqlite, data, replace=True)
        assert await dump(on_sqlite)


async def test_role_that_may_only_read(on_postgresql: Settings) -> None:
    await fill(on_postgresql, some_of_everything())
    await execute(
        on_postgresql,
        "CREATE ROLE reader LOGIN PASSWORD 'reader'",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    try:
        url = on_postgresql.database.url.set(username="reader", password="reader")
        reader = settings_of(url.render_as_string(hide_password=False))
        data = await dump(reader)
        assert rows_of(data) == rows_of(await dump(on_postgresql))
        with pytest.raises(SchemaError, match="permission denied"):
            await load(reader, data, replace=True)
    finally:
        await execute(on_postgresql, "DROP OWNED BY reader", "DROP ROLE reader")


async def test_read_only_server(on_postgresql: Settings) -> None:
    url = on_postgresql.database.url.render_as_string(hide_password=False)
    read_only = settings_of(f"{url}?options=-c%20default_transaction_read_only=on")
    await fill(on_postgresql, some_of_everything())
    with pytest.raises(SchemaError, match="read-only transaction"):
        await load(read_only, await dump(read_only), replace=True)
    assert rows_of(await dump(read_only))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


async def test_connection_cut(on_postgresql: Settings, tmp_path: Path) -> None:
    """Half a dump does not take the place of the old one."""
    await fill(on_postgresql, some_of_everything())
    path = tmp_path / "dump"
    path.write_text("the old one")

    async def cut() -> None:
        async with connect_at_head(on_postgresql) as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
            )

    stream = Watched(2, cut)
    with pytest.raises(SchemaError, match="the database failed"), replacing(path):
        await back_up(on_postgresql, stream, ignore)
    assert stream.done
    assert contents(tmp_path) == {"dump": "the old one"}


async def test_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.cli.maintenance.CONNECT_WAIT", 0.3)
    started = time.monotonic()
    for url in (f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d", f"sqlite:///{tmp_path}/no.db"):
        with pytest.raises(SchemaError, match=r"did not answer|file does not exist") as refused:
            await dump(settings_of(url))
        assert "hunter2" not in str(refused.value)
    assert not (tmp_path / "no.db").exists()
    assert time.monotonic() - started < 5


async def test_two_restores_at_once(data: bytes, there: Settings) -> None:
    """One of them finds the database empty, the other does not."""
    results = await asyncio.gather(load(there, data), load(there, data), return_exceptions=True)
    [error] = [result for result in results if isinstance(result, Exception)]
    assert re.search(r"not empty|lock timeout|database is locked", str(error))
    assert len((await stored(there))["users"]) == 2
