"""Dumps move between SQLite and PostgreSQL, in both directions, and nothing is lost or changed."""

import asyncio
import json
import shutil
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from sqlalchemy import insert, text

from service.app import create_app
from service.cli.backup.comparing import read_contents, stored_contents
from service.cli.backup.format import encode_line
from service.cli.backup.tables import stored_tables
from service.cli.backup.writer import back_up
from service.cli.maintenance import connect_at_head
from service.config import Settings
from service.models import books_table, legacy_books_table, rate_limits_table, users_table
from tests.cli.backup.databases import (
    TEXTS,
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
from tests.people import Browser, Person, add_person

# As if 5000 books had been added.
GIVEN = {
    "sqlite": "UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'books'",
    "postgresql": "SELECT setval('books_id_seq', 5000)",
}
storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


async def test_there_and_back(filled: Settings, there: Settings) -> None:
    """Rows, keys and times are the same there, and so is the dump that is made there."""
    before = await stored(filled)
    data = await dump(filled)
    counts = await load(there, data)
    assert counts == {name: len(rows) for name, rows in before.items()}
    assert await stored(there) == before
    again = await dump(there)
    assert rows_of(again) == rows_of(data)
    await load(filled, again, replace=True)
    assert await stored(filled) == before


async def test_empty_database(here: Settings, there: Settings) -> None:
    data = await dump(here)
    assert rows_of(data) == []
    assert set((await load(there, data)).values()) == {0}


async def test_five_thousand_books(here: Settings, there: Settings) -> None:
    """More than a batch, and more than one message of progress would be told for."""
    books = [
        {"title": f"{number} {TEXTS[number % len(TEXTS)]}", "author": "a", "user_id": 3}
        for number in range(5_000)
    ]
    await fill(here, {users_table: some_of_everything()[users_table], books_table: books})
    data = await dump(here)
    await load(there, data)
    found = await stored(there)
    assert found == await stored(here)
    assert len(found["books"]) == 5_000
    assert rows_of(await dump(there)) == rows_of(data)


async def test_people_stay_signed_in(here: Settings, there: Settings) -> None:
    app = create_app(here)
    async with app.test_app():
        alice = await add_person(app, "alice@example.com")
        await alice.has_books("Ulysses")
    await load(there, await dump(here))
    app = create_app(there)
    async with app.test_app():
        moved = Person(app, alice.id, alice.email)
        moved.set_cookie(alice.cookie() or "")
        assert "Ulysses" in await moved.page("/books/")
        assert (await Browser(app).get("/books/")).status_code == 303


async def test_new_rows_after_restoring(filled: Settings, there: Settings) -> None:
    """Their keys come after those that were restored."""
    await load(there, await dump(filled))
    async with connect_at_head(there) as connection:
        book = {"title": "t", "author": "a", "user_id": 12}
        key = await connection.scalar(insert(books_table).returning(books_table.c.id), book)
        assert key == 20 + 2 * len(TEXTS) - 1


async def test_sequence_is_not_lowered(filled: Settings, kind: str) -> None:
    """Keys that were given before the data was replaced are not given again."""
    data = await dump(filled)
    await execute(filled, GIVEN[kind])
    await load(filled, data, replace=True)
    async with connect_at_head(filled) as connection:
        book = {"title": "t", "author": "a", "user_id": 12}
        key: Any = await connection.scalar(insert(books_table).returning(books_table.c.id), book)
        assert key > 5000


async def test_largest_key(on_sqlite: Settings, on_postgresql: Settings) -> None:
    """Even a sequence that is at its end does not keep data from being restored."""
    user = {**some_of_everything()[users_table][0], "id": 2**31 - 1}
    await fill(on_sqlite, {users_table: [user]})
    await load(on_postgresql, await dump(on_sqlite))
    assert await stored(on_postgresql) == await stored(on_sqlite)


async def test_rate_limits_stay_behind(filled: Settings, there: Settings) -> None:
    await execute(filled, insert(rate_limits_table).values(key=b"k" * 32, empty_at=1.5))
    data = await dump(filled)
    assert b"rate_limits" not in data.partition(b"\n")[2]
    await load(there, data)
    async with connect_at_head(there) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM rate_limits")) == 0


async def test_one_moment(filled: Settings) -> None:
    """What is written while a dump is being made is not in it; nobody waits for the dump."""
    before = await stored(filled)

    async def write_more() -> None:
        book = {"title": "new", "author": "new", "user_id": 3}
        async with asyncio.timeout(3):
            await execute(
                filled,
                insert(books_table).values(book),
                "DELETE FROM legacy_books",
                "DELETE FROM sessions",
            )

    stream = Watched(1, write_more)
    counts = await back_up(filled, stream, ignore)
    assert stream.done
    assert counts == {name: len(rows) for name, rows in before.items()}
    assert b'"new"' not in stream.getvalue()
    assert len((await stored(filled))["books"]) == counts["books"] + 1


async def test_compared(filled: Settings, there: Settings) -> None:
    """A dump equals what it was made of, and what it was put into, until a byte changes."""
    data = await dump(filled)
    await load(there, data)
    for settings in (filled, there):
        header, contents = read_contents(Watched(of=data), ignore)
        assert await stored_contents(settings, header, ignore) == contents
        await execute(settings, "UPDATE books SET author = 'Y' WHERE id = 4")
        changed = await stored_contents(settings, header, ignore)
        assert [name for name in contents if changed[name] != contents[name]] == ["books"]


@pytest.mark.parametrize("value", [4.5, "five", 2**40, -1, 1e300])
async def test_values_of_sqlite(on_sqlite: Settings, value: object) -> None:
    """Its columns take anything, and legacy_books keeps what was in the Flask application's."""
    row = {"id": 1, "reason": "r"}
    await fill(on_sqlite, {legacy_books_table: [row]})
    async with connect_at_head(on_sqlite) as connection, connection.begin():
        await connection.execute(text("UPDATE legacy_books SET rating = :value"), {"value": value})
    before = await stored(on_sqlite)
    await load(on_sqlite, await dump(on_sqlite), replace=True)
    assert await stored(on_sqlite) == before
    assert before["legacy_books"][0][3] == value


@given(st.lists(st.tuples(storable, storable), min_size=1, max_size=5), st.integers(1, 2**31 - 1))
@bounded(max_examples=300, deadline=None)
def test_any_text_in_a_line(texts: list[tuple[str, str]], key: int) -> None:
    [legacy] = [table for table in stored_tables() if table.name == "legacy_books"]
    for number, (title, author) in enumerate(texts):
        row = (key + number, title, author, None, -key, "reason")
        line = legacy.encode(row)
        assert line.count(b"\n") == 1
        packed = json.loads(line)["row"]
        for sqlite in (True, False):
            decoded = legacy.decode(_raw(packed), sqlite=sqlite)
            assert tuple(decoded.values()) == row


@given(texts=st.lists(storable.filter(bool), min_size=1, max_size=40))
@bounded(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_through_both(on_sqlite: Settings, on_postgresql: Settings, texts: Any) -> None:
    async def move() -> None:
        rows = [
            {"id": n, "title": it, "author": it[::-1], "rating": n, "user_id": n, "reason": it}
            for n, it in enumerate(texts)
        ]
        await execute(on_sqlite, "DELETE FROM legacy_books")
        await fill(on_sqlite, {legacy_books_table: rows})
        before = await stored(on_sqlite)
        data = await dump(on_sqlite)
        await load(on_postgresql, data, replace=True)
        assert await stored(on_postgresql) == before
        assert rows_of(await dump(on_postgresql)) == rows_of(data)
        await load(on_sqlite, await dump(on_postgresql), replace=True)
        assert await stored(on_sqlite) == before

    asyncio.run(move())


async def test_before_first_start(migrated_sqlite: Any, tmp_path: Any) -> None:
    """SQLite's file as migrations leave it, not yet in the mode that the service puts it in."""
    shutil.copy(migrated_sqlite, tmp_path / "new.db")
    settings = settings_of(f"sqlite:///{tmp_path}/new.db")
    await fill(settings, some_of_everything())
    data = await dump(settings)
    await load(settings, data, replace=True)
    assert rows_of(await dump(settings)) == rows_of(data)


def _raw(value: object) -> Any:
    import msgspec

    return msgspec.Raw(encode_line(value))
