"""No id is given twice, whatever was in the tables when they were made anew for that."""

import asyncio
import sqlite3
from typing import Any

import pytest

from service.migrations import upgrade
from tests.migrations.databases import Database

BEFORE = "idempotency_keys"
TIME = "2026-11-22 10:00:00.000001"
TABLES = ("users", "books", "sessions", "access_tokens")


@pytest.fixture
def filled(database: Database) -> Database:
    """At the revision before, with rows in every table; their ids have gaps."""
    database.go_up(BEFORE)
    for key in (3, 8):
        owned = {"user_id": key, "created_at": TIME}
        token = {"token_hash": bytes([key] * 32), "expires_at": TIME}
        database.insert("users", _user(key))
        database.insert("books", _book(key, key) | {"version": 7})
        database.insert("sessions", {"id": key, **token, **owned})
        program = {"name": "Näme", "scopes": "books:read", "last_used_at": None}
        database.insert("access_tokens", {"id": key, **program, **token, **owned})
        answer = {"request": b"r", "status": 201, "headers": "{}", "body": b"\0"}
        database.insert("idempotency_keys", {"key": bytes([key]), **answer, **owned})
    database.insert("rate_limits", {"key": b"k", "empty_at": 1.5})
    database.insert("legacy_books", {"id": 4711, "reason": "r"})
    if not database.is_sqlite:
        database.run(*(f"SELECT setval('{table}_id_seq', 8)" for table in TABLES))
    return database


def test_every_row_is_kept(filled: Database) -> None:
    """Up, down and up; what other tables refer to is still there."""
    content = filled.content()
    content.pop("alembic_version")
    for go, revision in ((filled.go_up, "head"), (filled.go_down, BEFORE), (filled.go_up, "head")):
        go(revision)
        found = filled.content()
        found.pop("alembic_version")
        assert found == content
        if filled.is_sqlite:
            assert filled.rows("PRAGMA foreign_key_check") == []
            assert filled.value("PRAGMA integrity_check") == "ok"


@pytest.mark.parametrize("table", TABLES)
def test_deleted_row_gives_nothing_away(filled: Database, table: str) -> None:
    """The highest row's id, and that of one that was added and deleted since."""
    filled.go_up()
    given = []
    for _ in range(2):
        filled.run(f"DELETE FROM {table} WHERE id > 3")
        given.append(_add(filled, table))
    assert given == [9, 10]


def test_a_table_that_is_empty(database: Database) -> None:
    database.go_up(BEFORE)
    database.go_up()
    given = []
    for _ in range(2):
        given.append(_add(database, "users"))
        database.run("DELETE FROM users")
    assert given == [1, 2]


def test_with_an_account_goes_what_is_its(filled: Database) -> None:
    """The new tables refer to each other, not to those that they replaced."""
    filled.go_up()
    if filled.is_sqlite:
        with sqlite3.connect(filled.path) as connection:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("DELETE FROM users WHERE id = 8")
        connection.close()
    else:
        filled.run("DELETE FROM users WHERE id = 8")
    for table in (*TABLES[1:], "idempotency_keys"):
        assert filled.rows(f"SELECT user_id FROM {table}") == [(3,)], table


def test_tables_of_others_keep_their_numbers(flask_on_sqlite: Database) -> None:
    """SQLite counts for all tables in one of its own, which is no hindrance to taking over."""
    flask_on_sqlite.run(
        "CREATE TABLE notes (id integer PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO notes VALUES (41)",
    )
    asyncio.run(upgrade(flask_on_sqlite.settings))
    flask_on_sqlite.go_down("baseline")
    assert flask_on_sqlite.rows("SELECT * FROM sqlite_sequence") == [("notes", 41)]
    flask_on_sqlite.run("DROP TABLE alembic_version")
    asyncio.run(upgrade(flask_on_sqlite.settings))
    assert dict(flask_on_sqlite.rows("SELECT * FROM sqlite_sequence"))["notes"] == 41


def _user(key: int | None = None) -> dict[str, Any]:
    own = {} if key is None else {"id": key}
    person = {"password_hashed": "!", "registered_on": TIME, "books_revision": 9}
    return {**own, "email": f"{key}@example.com", **person}


def _book(key: int | None, owner: int) -> dict[str, Any]:
    own = {} if key is None else {"id": key}
    times = {"created_at": TIME, "updated_at": TIME}
    return {**own, "title": "t", "author": "a", "rating": 5, "user_id": owner, **times}


def _add(database: Database, table: str) -> int:
    """A row whose id the database gives; returns that."""
    token = {"token_hash": b"new", "user_id": 3, "created_at": TIME, "expires_at": TIME}
    row: dict[str, Any] = {
        "users": _user(),
        "books": _book(None, 3),
        "sessions": token,
        "access_tokens": token | {"name": "n", "scopes": "books:read"},
    }[table]
    database.insert(table, row)
    key: int = database.value(f"SELECT max(id) FROM {table}")
    return key
