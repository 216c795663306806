"""How connections are lent, used in transactions, and ended: on PostgreSQL by asyncpg's pool."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import asyncpg
import pytest
from quart import Quart
from sqlalchemy import insert, text

from service import db
from service.db import connection_queue, postgresql
from service.db.failures import NoFreeConnectionError
from service.db.statements import Statement, scalar
from service.exceptions import DatabaseUnavailableError
from service.models import users_table
from tests.people import count
from tests.statements import VIOLATIONS, run, run_on
from tests.waiting import eventually

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ONE = Statement(text("SELECT 1"), scalar)
PID = Statement(text("SELECT pg_backend_pid()"), scalar)
OURS = Statement(
    text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'readlog'"
        # Not what another test has given up, and the server has not noticed yet.
        " AND (state = 'idle' OR pid = pg_backend_pid())"
    ),
    scalar,
)
SLEEP = Statement(text("SELECT pg_sleep(30)"), scalar)
A_USER = insert(users_table).values(email="a@example.com", password_hashed="!")


@pytest.fixture
async def context(app: Quart) -> AsyncIterator[Quart]:
    async with app.app_context():
        yield app


def pool_of(app: Quart) -> Any:
    return app.extensions["database"].pool


async def test_transaction(context: Quart) -> None:
    """Committed at the end, and not before."""
    async with db.transaction() as connection:
        await run_on(connection, A_USER)
        if connection.dialect == "postgresql":
            assert await count(context, users_table) == 0
    assert await count(context, users_table) == 1


async def test_transaction_is_rolled_back(context: Quart) -> None:
    async def fail() -> None:
        async with db.transaction() as connection:
            await run_on(connection, A_USER)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await count(context, users_table) == 0
    assert pool_of(context).queue.in_use == 0


@on_postgresql
async def test_failed_statement_is_not_passed_over(context: Quart) -> None:
    """PostgreSQL would answer COMMIT with ROLLBACK, and a change would be lost in silence."""

    async def go_on() -> None:
        async with db.transaction() as connection:
            await run_on(connection, A_USER)
            with suppress(*VIOLATIONS):
                await run_on(connection, A_USER)

    with pytest.raises(RuntimeError, match="nothing was committed"):
        await go_on()
    assert await count(context, users_table) == 0


async def test_read_commits_each_statement(context: Quart) -> None:
    async with db.read() as connection:
        await run_on(connection, A_USER)
        assert await count(context, users_table) == 1


@on_postgresql
async def test_cancelled(context: Quart) -> None:
    """The connection of a statement that is given up is ended; the pool serves on."""

    async def ask() -> None:
        async with db.read() as connection:
            await SLEEP.all(connection)

    for _ in range(pool_of(context).queue.size + 1):
        asking = asyncio.create_task(ask())
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert pool_of(context).queue.in_use == 0
    async with db.read() as connection:
        assert await ONE.one(connection) == 1


@on_postgresql
async def test_no_time_left(context: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.db.UNIT_TIMEOUT", 0.1)
    with pytest.raises(DatabaseUnavailableError):
        async with db.transaction() as connection:
            await SLEEP.all(connection)
    assert pool_of(context).queue.in_use == 0


@on_postgresql
async def test_none_is_free(context: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_queue, "POOL_TIMEOUT", 0.05)
    async with AsyncExitStack() as stack:
        for _ in range(pool_of(context).queue.size):
            await stack.enter_async_context(db.read())
        with pytest.raises(DatabaseUnavailableError) as caught:
            await stack.enter_async_context(db.read())
        assert isinstance(caught.value.__cause__, NoFreeConnectionError)
    async with db.read() as connection:
        assert await ONE.one(connection) == 1


@on_postgresql
async def test_connections_are_used_again(context: Quart) -> None:
    """The one that was used last comes first, so that the others grow old and are closed."""
    pids = set()
    for _ in range(5):
        async with db.read() as connection:
            pids.add(await PID.one(connection))
    assert len(pids) == 1


@on_postgresql
async def test_ended_while_idle(context: Quart) -> None:
    """A connection that the server has ended costs nobody an answer."""
    async with db.read() as first, db.read() as second:
        pids = [await PID.one(first), await PID.one(second)]
    async with db.read() as connection:
        for pid in pids:
            if pid != await PID.one(connection):
                await run_on(connection, f"SELECT pg_terminate_backend({pid}, 5000)")
    for _ in range(3):
        async with db.read() as one, db.read() as other:
            assert await ONE.one(one) == await ONE.one(other) == 1


@on_postgresql
async def test_ping_finds_the_dead(context: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first that does not answer, all idle ones are made anew."""
    async with db.read() as first, db.read() as second:
        before = {await PID.one(first), await PID.one(second)}
    monkeypatch.setattr(postgresql, "IDLE_CHECK", 0.0)
    failed: list[object] = []
    fetchrow = asyncpg.Connection.fetchrow

    async def fail_once(connection: Any, *args: Any, **options: Any) -> Any:
        if not failed:
            failed.append(connection)
            raise TimeoutError
        return await fetchrow(connection, *args, **options)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(asyncpg.Connection, "fetchrow", fail_once)
    async with db.read() as first, db.read() as second:
        after = {await PID.one(first), await PID.one(second)}
    assert len(failed) == 1
    assert before & after == set()


@on_postgresql
async def test_no_connection_lives_for_ever(
    context: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is used: after a switchover it may lead to the old server."""
    async with db.read() as connection:
        before = await PID.one(connection)
    monkeypatch.setattr(postgresql, "POOL_RECYCLE", 0.0)
    async with db.read() as connection:
        assert await PID.one(connection) != before


@on_postgresql
async def test_server_that_only_reads(context: Quart) -> None:
    """A standby, or what was the primary: the next connection is another one."""
    async with db.read() as first, db.read() as second:
        before = {await PID.one(first), await PID.one(second)}

    async def write() -> None:
        async with db.transaction() as connection:
            await run_on(connection, "SET TRANSACTION READ ONLY")
            await run_on(connection, A_USER)

    with pytest.raises(DatabaseUnavailableError):
        await write()
    async with db.read() as first, db.read() as second:
        assert {await PID.one(first), await PID.one(second)} & before == set()


@on_postgresql
async def test_first_question_has_an_end(context: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that lets us in and then falls silent keeps no place of the pool."""
    monkeypatch.setattr("service.db.UNIT_TIMEOUT", 0.05)
    monkeypatch.setattr("service.db.connecting.COMMAND_TIMEOUT", 0.2)

    async def be_silent(*_: object, timeout: float | None = None) -> None:  # noqa: ASYNC109
        async with asyncio.timeout(timeout):
            await asyncio.Event().wait()

    monkeypatch.setattr(asyncpg.Connection, "fetchval", be_silent)
    pool = pool_of(context)
    await pool.expire()
    pool._has_own_session = False
    for _ in range(3):
        with pytest.raises(DatabaseUnavailableError):
            async with db.read():
                pass

    async def is_free() -> bool:
        return not pool.queue.in_use

    await eventually(is_free)


@on_postgresql
async def test_slow_connecting_is_finished_for_others(
    context: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server to which connecting takes longer than a request has is reached all the same."""
    monkeypatch.setattr("service.db.UNIT_TIMEOUT", 0.1)
    connect, opened = asyncpg.connect, []

    async def connect_slowly(*args: Any, **options: Any) -> Any:
        await asyncio.sleep(0.3)
        opened.append(await connect(*args, **options))  # type: ignore[no-untyped-call]
        return opened[-1]

    await pool_of(context).expire()
    monkeypatch.setattr(asyncpg, "connect", connect_slowly)
    with pytest.raises(DatabaseUnavailableError):
        async with db.read():
            pass
    assert pool_of(context).queue.in_use == 1

    async def is_finished() -> bool:
        return not pool_of(context).queue.in_use

    await eventually(is_finished)
    async with db.read() as connection:
        assert await ONE.one(connection) == 1
    assert len(opened) == 1


@on_postgresql
async def test_bound_of_connections(context: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask, the server sees no more connections than DB_POOL_SIZE + DB_MAX_OVERFLOW."""

    async def ask() -> int:
        async with db.read() as connection:
            pid: int = await PID.one(connection)
            await run_on(connection, "SELECT pg_sleep(0.01)")
            return pid

    monkeypatch.setattr(connection_queue, "POOL_TIMEOUT", 60.0)  # this machine may be busy
    monkeypatch.setattr("service.db.UNIT_TIMEOUT", 60.0)
    pids = await asyncio.gather(*(ask() for _ in range(40)))
    assert len(set(pids)) <= pool_of(context).queue.size


@on_postgresql
async def test_reserve(context: Quart) -> None:
    """A connection that is made elsewhere takes the place of one of ours."""
    size = pool_of(context).queue.size
    async with AsyncExitStack() as stack:
        for _ in range(size):
            await stack.enter_async_context(db.read())
    async with pool_of(context).reserve(), AsyncExitStack() as stack:
        for _ in range(size - 1):
            connection = await stack.enter_async_context(db.read())
        assert await OURS.one(connection) <= size - 1


async def test_observer(context: Quart) -> None:
    """Sees each statement of either database, with BEGIN and what ends a transaction."""
    seen: list[str] = []

    class Observe:
        def __init__(self, statement: str) -> None:
            seen.append(statement.split()[0])

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            pass

    pool_of(context).observer = Observe
    await run(context, A_USER)
    assert seen == ["BEGIN", "INSERT", "COMMIT"]
