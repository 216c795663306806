"""Databases that dumps are made of and put into, and what they hold."""

import asyncio
import io
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text

from service.cli.backup.restoring import restore
from service.cli.backup.tables import EXCLUDED
from service.cli.backup.writer import back_up
from service.cli.maintenance import connect_at_head
from service.config import Settings
from service.models import (
    access_tokens_table,
    books_table,
    legacy_books_table,
    metadata,
    sessions_table,
    users_table,
)

NOON = datetime(2024, 2, 29, 12, 0, 0, 7, tzinfo=UTC)
Rows = Mapping[Any, Sequence[Mapping[str, Any]]]

# In every script, with everything that JSON, SQL and a terminal treat differently.
TEXTS = [
    "Der Zauberberg",
    "百年の孤独",
    "كليلة ودمنة",
    "e\u0301 is not \u00e9",
    "\U0001f4da\U0001f468‍\U0001f469‍\U0001f467",
    '"quoted" \\ back \t tab \n line \r return \x01 \x7f \u2028 \ufeff \uffff',
    "'; DROP TABLE books; --",
    " ",
]


def settings_of(url: str) -> Settings:
    return Settings.from_env({"CONFIG_TYPE": "testing", "DATABASE_URL": url})


def ignore(_table: str, _rows: int) -> None:
    """For progress that no test looks at."""


async def execute(settings: Settings, *statements: Any) -> None:
    """In one transaction; texts are SQL."""
    async with connect_at_head(settings) as connection, connection.begin():
        for statement in statements:
            await connection.execute(text(statement) if isinstance(statement, str) else statement)


async def fill(settings: Settings, rows: Rows) -> None:
    async with connect_at_head(settings) as connection, connection.begin():
        for table, values in rows.items():
            if values:
                await connection.execute(insert(table), list(values))


def some_of_everything() -> Rows:
    """Rows of every table, whose numbers have gaps."""
    times = {"created_at": NOON, "updated_at": NOON + timedelta(microseconds=999_992), "version": 7}
    return {
        users_table: [
            {"id": 3, "email": "alice@example.com", "password_hashed": "$a", "registered_on": NOON},
            {"id": 12, "email": "bob@example.com", "password_hashed": "!", "registered_on": NOON},
        ],
        books_table: [
            {"id": 20 + 2 * n, "title": it, "author": it, "rating": None, "user_id": 3, **times}
            for n, it in enumerate(TEXTS)
        ]
        + [{"id": 4, "title": "x" * 500, "author": "y", "rating": 5, "user_id": 12, **times}],
        legacy_books_table: [
            {"id": 1, "title": None, "author": "", "rating": 99, "user_id": 77, "reason": "r"}
        ],
        sessions_table: [
            {
                "id": 9,
                "token_hash": bytes(range(224, 256)),
                "user_id": 3,
                "created_at": NOON,
                "expires_at": NOON + timedelta(days=36_525),
            }
        ],
        access_tokens_table: [
            {
                "id": 5,
                "token_hash": bytes(range(32)),
                "user_id": 12,
                "name": "Näme",
                "scopes": "books:read books:write",
                "created_at": NOON,
                "expires_at": NOON + timedelta(days=90),
                "last_used_at": None,
            }
        ],
    }


async def stored(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that is data, times aware, read one table at a time."""
    found = {}
    async with connect_at_head(settings) as connection:
        for table in metadata.sorted_tables:
            if table.name not in EXCLUDED:
                rows = await connection.execute(select(table).order_by(*table.primary_key))
                found[table.name] = [tuple(row) for row in rows]
    return found


async def dump(settings: Settings) -> bytes:
    stream = io.BytesIO()
    await back_up(settings, stream, ignore)
    return stream.getvalue()


async def load(settings: Settings, data: bytes, *, replace: bool = False) -> dict[str, int]:
    _, contents = await restore(settings, io.BytesIO(data), ignore, replace=replace)
    return {table: content.rows for table, content in contents.items()}


def rows_of(data: bytes) -> list[bytes]:
    """The lines of a dump that are the same whenever the data is."""
    return data.splitlines()[1:-1]


@contextmanager
def database(kind: str, request: pytest.FixtureRequest, path: Path) -> Iterator[Settings]:
    """An empty one at head; SQLite's is in the mode that the service uses."""
    if kind == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        yield settings_of(f"sqlite:///{path}")
        return
    settings = settings_of(request.getfixturevalue("migrated_postgresql"))
    yield settings
    asyncio.run(_empty(settings))


async def _empty(settings: Settings) -> None:
    await execute(settings, *map(delete, reversed(metadata.sorted_tables)))
    names = ("users", "books", "sessions")
    await execute(settings, *(f"ALTER SEQUENCE {name}_id_seq RESTART" for name in names))
