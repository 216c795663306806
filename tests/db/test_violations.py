"""Which constraint was violated, as both databases tell it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError, OperationalError

from service import db, idempotency
from service.db.failures import is_unavailable
from service.db.violations import violates
from service.exceptions import NotAuthenticatedError
from service.idempotency import Key
from service.models import (
    DatabaseNow,
    access_tokens_table,
    books_table,
    idempotency_keys_table,
    metadata,
    users_table,
)
from service.users import accounts
from service.users.exceptions import EmailTakenError
from tests.people import Person, count
from tests.statements import VIOLATIONS, run_on

NAMES = [str(each.name) for table in metadata.tables.values() for each in table.constraints]
ALICE = "alice@example.com"
BOOK = {"title": "Emma", "author": "Jane Austen"}
TOKEN = {
    "user_id": 1,
    "name": "x",
    "scopes": "",
    "token_hash": b"0" * 32,
    "expires_at": DatabaseNow(),
}


async def refused(app: Quart, table: Any, *rows: dict[str, Any]) -> Exception:
    with pytest.raises(VIOLATIONS) as caught:
        await add(app, table, *rows)
    return caught.value


async def add(app: Quart, table: Any, *rows: dict[str, Any]) -> None:
    async with app.app_context(), db.transaction() as connection:
        for row in rows:
            await run_on(connection, insert(table).values(row))


@pytest.mark.parametrize(
    ("name", "table", "rows"),
    [
        ("users_email_key", users_table, [{"email": ALICE, "password_hashed": "!"}]),
        ("users_email_length_check", users_table, [{"email": "a" * 255, "password_hashed": "!"}]),
        ("users_pkey", users_table, [{"id": 1, "email": "users.email", "password_hashed": "!"}]),
        ("books_title_length_check", books_table, [BOOK | {"user_id": 1, "title": ""}]),
        (
            "books_author_length_check",
            books_table,
            [BOOK | {"user_id": 1, "author": "", "title": "books.id"}],
        ),
        ("books_rating_range_check", books_table, [BOOK | {"user_id": 1, "rating": 9}]),
        ("books_user_id_fkey", books_table, [BOOK | {"user_id": 4711}]),
        ("access_tokens_token_hash_key", access_tokens_table, [TOKEN, TOKEN]),
        (None, books_table, [BOOK | {"user_id": 1, "title": None}]),
        (None, users_table, [{"email": None, "password_hashed": "!"}]),
    ],
)
async def test_violates(
    app: Quart,
    alice: Person,
    database_url: str,
    name: str | None,
    table: Any,
    rows: list[dict[str, Any]],
) -> None:
    """Exactly the constraint that was violated is told, whatever stands in the row."""
    error = await refused(app, table, *rows)
    told = [known for known in NAMES if violates(error, known)]
    if str(name).endswith("_fkey") and database_url.startswith("sqlite"):
        assert name in told, "it says that it is a foreign key"
        assert all(known.endswith("_fkey") for known in told)
    else:
        assert told == ([] if name is None else [name])


def test_violates_an_unknown_one() -> None:
    """A name that no constraint has is a mistake of ours, not an answer."""
    error = IntegrityError("", None, sqlite3.IntegrityError("UNIQUE constraint failed: x.y"))
    with pytest.raises(KeyError):
        violates(error, "users_email_unique")


@pytest.mark.parametrize(
    "account",
    [
        ("users_email_key" * 20, "!"),
        (None, "!"),
        ("bob@example.com", None),
    ],
    ids=["too long", "no address", "no hash"],
)
async def test_register_violates_another(app: Quart, alice: Person, account: Any) -> None:
    """What is wrong with a row beside its address is not told as an address that is taken."""
    with pytest.raises(VIOLATIONS):
        async with app.app_context(), db.transaction() as connection:
            await accounts.register(connection, *account)
    assert await count(app, users_table) == 1


async def test_register_taken(app: Quart, alice: Person) -> None:
    with pytest.raises(EmailTakenError):
        async with app.app_context(), db.transaction() as connection:
            await accounts.register(connection, ALICE, "!")


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (Key(4711, b"k" * 32, b"r" * 32), NotAuthenticatedError),
        (Key(1, b"k" * 32, None), VIOLATIONS),  # type: ignore[arg-type]
    ],
    ids=["owner", "request"],
)
async def test_claim_violates(app: Quart, alice: Person, key: Key, error: type[Exception]) -> None:
    """Only where its owner is gone is the account said to be deleted; nothing else is hidden."""
    with pytest.raises(error):
        async with app.app_context(), db.transaction() as connection:
            await idempotency.claim(connection, key)
    assert await count(app, idempotency_keys_table) == 0


def connected(path: Path, mode: str = "rwc") -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(f"file:{path}?mode={mode}", timeout=0, uri=True))


def locked(path: Path) -> None:
    with connected(path) as one, connected(path) as two:
        one.execute("CREATE TABLE t (c)")
        one.execute("BEGIN EXCLUSIVE")
        two.execute("SELECT * FROM t")


def read_only(path: Path) -> None:
    with connected(path) as one:
        one.execute("CREATE TABLE t (c)")
    with connected(path, "ro") as two:
        two.execute("INSERT INTO t VALUES (1)")


def full(path: Path) -> None:
    with connected(path) as one:
        one.execute("CREATE TABLE t (c)")
        one.execute("PRAGMA max_page_count = 3")
        one.execute("INSERT INTO t VALUES (randomblob(100000))")


def missing(path: Path) -> None:
    connected(path / "no" / "folder.db")


def wrong(path: Path) -> None:
    with connected(path) as one:
        one.execute("'database is locked'")


@pytest.mark.parametrize(
    ("break_it", "unavailable"),
    [(locked, True), (read_only, True), (full, True), (missing, True), (wrong, False)],
)
def test_sqlite_unavailable(
    tmp_path: Path, break_it: Callable[[Path], None], unavailable: bool
) -> None:
    """SQLite's code says whether it cannot now, not a text that a statement of ours may hold."""
    with pytest.raises(sqlite3.OperationalError) as caught:
        break_it(tmp_path / "t.db")
    error = OperationalError("", None, caught.value)
    assert is_unavailable(error) == unavailable
