"""Rows that have expired are removed in batches, each kind by itself, and never without a bound."""

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import asyncpg
import pytest
from quart import Quart
from sqlalchemy import insert

from service import db
from service.app import create_app
from service.auth.queries import delete_expired_sessions
from service.config import Settings
from service.db.batches import BATCH
from service.models import (
    access_tokens_table,
    idempotency_keys_table,
    rate_limits_table,
    sessions_table,
    utc_now,
)
from service.server import background
from tests.jobs import Pauses, clean_up
from tests.log_output import under_gunicorn
from tests.people import add_user, count, execute
from tests.statements import observed, run, run_on

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
MANY = 3 * BATCH + 7
TABLES = (sessions_table, access_tokens_table, rate_limits_table, idempotency_keys_table)


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    with under_gunicorn() as stream:
        yield stream


@pytest.fixture
async def app(settings: Settings, output: io.StringIO, pauses: Pauses) -> AsyncIterator[Quart]:
    app = create_app(settings)
    async with app.test_app():
        yield app


async def fill(app: Quart, number: int = MANY) -> None:
    """So many expired rows of each kind, and one of each that is of use."""
    user_id = await add_user(app, "alice@example.com")
    past, soon = utc_now() - timedelta(days=2), utc_now() + timedelta(days=1)
    keys = [place.to_bytes(32) for place in range(number + 1)]
    times = [past] * number + [soon]
    sessions = [
        {"token_hash": key, "user_id": user_id, "created_at": past, "expires_at": at}
        for key, at in zip(keys, times, strict=True)
    ]
    tokens = [row | {"name": "n", "scopes": "books:read"} for row in sessions]
    buckets = [
        {"key": key, "empty_at": time.time() + (-60 if at == past else 3600)}
        for key, at in zip(keys, times, strict=True)
    ]
    answers = [
        {"key": key, "user_id": user_id, "request": key, "created_at": at, "status": 201}
        | {"headers": "{}", "body": b"x" * 200}
        for key, at in zip(keys, times, strict=True)
    ]
    for table, rows in zip(TABLES, (sessions, tokens, buckets, answers), strict=True):
        for start in range(0, len(rows), 200):
            await run(app, insert(table).values(rows[start : start + 200]))


async def counts(app: Quart) -> list[int]:
    return [await count(app, table) for table in TABLES]


async def test_everything_that_expired(app: Quart) -> None:
    """More than a batch of each kind in one round, and nothing that is of use."""
    await fill(app)
    assert await clean_up(app) is False
    assert await counts(app) == [1, 1, 1, 1]


async def test_a_round_is_bounded(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is told, so that the next round comes soon."""
    monkeypatch.setattr("service.server.background.MOST_BATCHES", 2)
    await fill(app)
    assert await clean_up(app) is True
    assert await counts(app) == [MANY + 1 - 2 * BATCH] * 4
    assert await clean_up(app) is False
    assert await counts(app) == [1, 1, 1, 1]


async def test_one_that_fails(app: Quart, pauses: Pauses, output: io.StringIO) -> None:
    """The others are done; the log names the one and why."""
    await fill(app, 3)
    kind = app.extensions["settings"].database.is_sqlite
    await execute(
        app,
        "CREATE TRIGGER refuse BEFORE DELETE ON sessions"
        " BEGIN SELECT RAISE(ABORT, 'not to be deleted'); END"
        if kind
        else "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$",
        *([] if kind else ["CREATE TRIGGER refuse BEFORE DELETE ON sessions"
                           " FOR EACH ROW EXECUTE FUNCTION refuse()"]),
    )  # fmt: skip
    try:
        for job in background.JOBS:
            await pauses.next(job)
        assert await counts(app) == [4, 1, 1, 1]
        for _ in range(2):  # after the failure, and before the next run
            await pauses.next("sessions")
    finally:
        await execute(app, "DROP TRIGGER refuse" if kind else "DROP FUNCTION refuse() CASCADE")
    assert "the job of sessions" in output.getvalue()
    if not kind:  # what the database says is told once a minute, like everywhere
        assert output.getvalue().count("the job of sessions: no space left") == 1
    assert await clean_up(app) is False
    assert await counts(app) == [1, 1, 1, 1]


class TestSlowServer:
    """Each row takes a millisecond, and a statement may not take as long as a batch of them."""

    @pytest.fixture
    def environment(self, migrated_postgresql: str) -> dict[str, str]:
        options = "?options=-c%20statement_timeout%3D300"
        return {"CONFIG_TYPE": "testing", "DATABASE_URL": migrated_postgresql + options}

    @pytest.fixture
    async def slow(self, migrated_postgresql: str) -> AsyncIterator[None]:
        connection = await asyncpg.connect(migrated_postgresql)
        try:
            await connection.execute(
                "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " PERFORM pg_sleep(0.001); RETURN OLD; END $$;"
                "CREATE TRIGGER slowly BEFORE DELETE ON rate_limits"
                " FOR EACH ROW EXECUTE FUNCTION slowly()"
            )
            yield
        finally:
            await connection.execute("DROP FUNCTION slowly() CASCADE")
            await connection.execute("TRUNCATE users, rate_limits RESTART IDENTITY CASCADE")
            await connection.close()

    async def test_many_rows(self, app: Quart, slow: None, output: io.StringIO) -> None:
        """It takes fewer of them, and gets through."""
        await fill(app)
        for _ in range(20):
            if not await clean_up(app):
                break
        assert await counts(app) == [1, 1, 1, 1]


@on_postgresql
async def test_rows_in_use_are_left(app: Quart, database_url: str) -> None:
    """Nobody is waited for: several processes delete at the same moment, and requests write."""
    await fill(app, 10)
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("UPDATE sessions SET user_id = user_id WHERE id <= 4")
            assert await clean_up(app) is False
            assert await count(app, sessions_table) == 5
    finally:
        await other.close()
    await clean_up(app)
    assert await count(app, sessions_table) == 1


@on_postgresql
async def test_two_processes_at_once(app: Quart) -> None:
    await fill(app)
    async with app.app_context():
        for _ in range(2):
            await asyncio.gather(*(_one_batch() for _ in range(4)))
    assert await count(app, sessions_table) == 1


async def _one_batch() -> None:
    async with db.read() as connection:
        await delete_expired_sessions(connection)


INDEXES = {
    "sessions": "sessions_expires_at_idx",
    "access tokens": "access_tokens_expires_at_idx",
    "rate limits": "rate_limits_empty_at_idx",
    "idempotency keys": "idempotency_keys_created_at_idx",
}


async def test_indexes_serve(app: Quart, database_url: str) -> None:
    """To find what has expired among many that have not, no table is read from end to end."""
    statements = await _statements(app)
    assert statements.keys() == background.JOBS.keys()
    explain = "EXPLAIN QUERY PLAN " if database_url.startswith("sqlite") else "EXPLAIN "
    for name, statement in statements.items():
        async with app.app_context(), db.read() as connection:
            # A table of a few rows is read whole; what is asked is whether the index can serve.
            if explain == "EXPLAIN ":
                await run_on(connection, "SET enable_seqscan = off")
            plan = await run_on(connection, f"{explain} {statement}")
            lines = "\n".join(str(row) for row in plan)
            if explain == "EXPLAIN ":
                await run_on(connection, "RESET enable_seqscan")
        assert INDEXES[name] in lines, lines


async def _statements(app: Quart) -> dict[str, str]:
    """The statement of each job, with the size of a batch in the place of its parameter."""
    found: dict[str, str] = {}
    for name, every in background.JOBS.items():
        texts: list[str] = []
        with observed(app, texts.append):
            async with app.app_context():
                await every.job()
        [statement] = texts
        found[name] = re.sub(r"\$1(::\w+)?|\?", str(BATCH), statement)
    return found
