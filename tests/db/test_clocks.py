"""Several machines whose clocks differ: the database's clock is the one that counts."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import select

from service import db
from service.models import (
    DatabaseEpoch,
    DatabaseNow,
    access_tokens_table,
    books_table,
    idempotency_keys_table,
    sessions_table,
)
from tests.api.programs import A_BOOK, BOOKS, Program, add_program, at_rest
from tests.clocks import Clock, machine_ahead
from tests.jobs import clean_up
from tests.people import PASSWORD, Browser, Person, add_user, count, rows
from tests.statements import run_on
from tests.waiting import eventually

EMAIL = "carol@example.com"
AHEAD = 90.0  # seconds, for limits and for lifetimes of a minute
FAR_AHEAD = 25 * 3600.0  # for what is kept for a day


def at(app: Quart, program: Program) -> Program:
    """The same program, calling another machine."""
    return Program(app, program.token, program.token_id)


@pytest.fixture
async def program(app: Quart, alice: Person) -> Program:
    return await add_program(app, alice.id)


async def test_limits(app: Quart, second_app: Quart, program: Program) -> None:
    """A write at a machine ahead does not use up the minute at the others."""
    with machine_ahead(AHEAD):
        assert (await at(second_app, program).post(BOOKS, A_BOOK)).status_code == 201
    made = await program.post(BOOKS, A_BOOK)
    assert made.status_code == 201
    assert made.headers["RateLimit"].startswith('"write-user";r=29'), "and it is counted there"


async def test_token(app: Quart, second_app: Quart, alice: Person) -> None:
    """A token for a minute is good for that minute at every machine."""
    program = await add_program(app, alice.id, expires_in=60)
    with machine_ahead(AHEAD):
        assert (await at(second_app, program).get(BOOKS)).status_code == 200
        assert (await at(second_app, program).post(BOOKS, A_BOOK)).status_code == 201
        listed = await at(second_app, program).get("/api/v1/tokens")
    assert [it["id"] for it in (await listed.get_json())["items"]] == [program.token_id]


async def test_token_made_at_a_machine_ahead(
    app: Quart, second_app: Quart, alice: Person, clock: Clock
) -> None:
    """Nor is it good for longer."""
    with machine_ahead(AHEAD):
        program = await add_program(second_app, alice.id, expires_in=60)
    await clock.advance(59)
    assert (await at(app, program).get(BOOKS)).status_code == 200
    await clock.advance(1)
    assert (await at(app, program).get(BOOKS)).status_code == 401


async def test_session(
    app: Quart, second_app: Quart, nobody: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session ends at the same moment at every machine."""
    monkeypatch.setattr("service.auth.sessions.SESSION_LIFETIME", timedelta(seconds=60))
    await add_user(app, EMAIL)
    assert (await nobody.post("/login", {"email": EMAIL, "password": PASSWORD})).status_code == 303
    other = Browser(second_app)
    other.set_cookie(nobody.cookie() or "")
    with machine_ahead(AHEAD):
        assert (await other.get("/profile")).status_code == 200
        assert (await other.get("/books/")).status_code == 200


async def test_idempotency_key(app: Quart, second_app: Quart, program: Program) -> None:
    """An answer is kept for its day, whichever machine is asked for it."""
    made = await program.post(BOOKS, A_BOOK, Idempotency_Key="one")
    with machine_ahead(FAR_AHEAD):
        again = await at(second_app, program).post(BOOKS, A_BOOK, Idempotency_Key="one")
    assert await again.get_data() == await made.get_data()
    assert await count(app, books_table) == 1


async def test_housekeeping(app: Quart, second_app: Quart, program: Program) -> None:
    """A machine ahead deletes nothing that the others still go by."""
    await program.post(BOOKS, A_BOOK, Idempotency_Key="one")
    await add_program(app, 1)
    with machine_ahead(1000 * FAR_AHEAD):
        await clean_up(second_app)
    kept = [
        await count(app, table)
        for table in (sessions_table, access_tokens_table, idempotency_keys_table)
    ]
    assert kept == [1, 2, 1]


async def test_use_of_a_token(app: Quart, second_app: Quart, program: Program) -> None:
    """No token was last used in the future."""
    with machine_ahead(AHEAD):
        await at(second_app, program).get(BOOKS)
        await at_rest(second_app)
    [(used, now)] = await rows(app, access_tokens_table.c.last_used_at, DatabaseNow())
    assert used <= now


async def test_times_of_a_book(app: Quart, second_app: Quart, program: Program) -> None:
    """No book was changed before it was added."""
    with machine_ahead(AHEAD):
        made = await (await at(second_app, program).post(BOOKS, A_BOOK)).get_json()
    changed = await (await program.patch(f"{BOOKS}/{made['id']}", {"rating": 1})).get_json()
    assert made["created_at"] == made["updated_at"] == changed["created_at"]
    assert changed["updated_at"] >= changed["created_at"]


async def test_message(app: Quart, second_app: Quart, alice: Person) -> None:
    """A message of a machine ahead is shown by the others."""
    there = Person(second_app, alice.id, alice.email)
    there.set_cookie(alice.cookie() or "")
    with machine_ahead(AHEAD):
        await there.post("/books/add", {"book_title": "Emma", "book_author": "Jane Austen"})
    alice.set_cookie(there.cookie("readlog-flash") or "", "readlog-flash")
    assert "Added new book" in await alice.page("/books/")


@pytest.fixture
async def times(app: Quart) -> AsyncIterator[Any]:
    """What the database says of the time, each time it is asked in one transaction."""
    asked = select(DatabaseNow(), DatabaseNow(), DatabaseNow(timedelta(days=-1)), DatabaseEpoch())
    async with app.app_context(), db.transaction() as connection:

        async def ask() -> Any:
            return (await run_on(connection, asked))[0]

        yield ask


async def test_statement_has_one_time(times: Any) -> None:
    """It is aware, and the same wherever it stands; sums and seconds are of the same time."""
    now, again, yesterday, epoch = await times()
    assert now == again == yesterday + timedelta(days=1)
    assert now.utcoffset() == timedelta()
    assert epoch == pytest.approx(now.timestamp(), abs=0.001)


async def test_each_statement_has_its_own_time(times: Any) -> None:
    """It goes on within a transaction: what was waited for there is not forgotten."""
    first = (await times())[0]

    async def has_gone_on() -> bool:
        return bool((await times())[0] > first)

    await eventually(has_gone_on, within=3)


async def test_stopped_clock(app: Quart, second_app: Quart, clock: Clock) -> None:
    """What tests of time stand on: the clock is the database's, for all instances, and stands."""
    found = set()
    for _ in range(2):
        for each in (app, second_app):
            found.update(await rows(each, DatabaseNow(), DatabaseEpoch()))
    [(moment, epoch)] = found
    assert moment == clock.time
    assert epoch == pytest.approx(clock.now, abs=0.001)
    await clock.advance(3600)
    [(later, _)] = await rows(app, DatabaseNow(), DatabaseEpoch())
    assert later == moment + timedelta(hours=1)
