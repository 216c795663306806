"""How many books a list can hold: many, and not without end."""

import asyncio

import pytest
from quart import Quart

from service.books import rules
from service.books.rules import MAX_BOOKS
from service.models import books_table, users_table
from tests.api.programs import A_BOOK, BOOKS, Program, add_program, counted, problem, wrong_fields
from tests.books.forms import a_book
from tests.markup import parse
from tests.people import Person, add_books, count, rows, text_of

BATCH = f"{BOOKS}/batch"
CREATE = {"op": "create", "book": A_BOOK}


@pytest.fixture(autouse=True)
def _no_other_tests_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "_rooms", {})


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list holds three books."""
    monkeypatch.setattr(rules, "MAX_BOOKS", 3)


@pytest.fixture
async def program(app: Quart, alice: Person) -> Program:
    return await add_program(app, alice.id)


async def test_hundred_thousand(app: Quart, alice: Person, bob: Person, program: Program) -> None:
    """Both doors refuse the next, say what to do, and leave everything as it is."""
    await add_books(app, alice.id, MAX_BOOKS - 1)
    assert (await program.post(BOOKS, A_BOOK)).status_code == 201
    before = await rows(app, users_table.c.id, users_table.c.books_revision)
    refused = await alice.post("/books/add", a_book())
    assert refused.status_code == 409
    page = await parse(refused)
    assert page.fields["book_title"] == a_book()["book_title"]
    assert "There are 100,000 books on your list" in await text_of(refused)
    found = await problem(await program.post(BOOKS, A_BOOK), 409, "TOO_MANY_BOOKS")
    assert "Delete some of them first" in found["detail"]
    assert await rows(app, users_table.c.id, users_table.c.books_revision) == before
    assert (await bob.post("/books/add", a_book())).status_code == 303
    assert await count(app, books_table) == MAX_BOOKS + 1


async def test_editing_a_full_list(alice: Person, program: Program, three: None) -> None:
    """It can be changed, and what is deleted makes room."""
    [first, *_] = await program.adds("One", "Two", "Three")
    await problem(await program.post(BOOKS, A_BOOK), 409, "TOO_MANY_BOOKS")
    assert (await program.patch(f"{BOOKS}/{first}", {"rating": 1})).status_code == 200
    assert (await program.delete(f"{BOOKS}/{first}")).status_code == 204
    assert (await program.post(BOOKS, A_BOOK)).status_code == 201
    await problem(await program.post(BOOKS, A_BOOK), 409, "TOO_MANY_BOOKS")


async def test_batch(app: Quart, program: Program, three: None) -> None:
    """All or nothing names the operations that do not fit; each by itself adds what does."""
    body = {"operations": [CREATE] * 5}
    assert await wrong_fields(await program.post(BATCH, body)) == [
        ("operations[3]", "TOO_MANY_BOOKS"),
        ("operations[4]", "TOO_MANY_BOOKS"),
    ]
    assert await count(app, books_table) == 0
    answer = await (await program.post(BATCH, body | {"atomic": False})).get_json()
    assert [it["status"] for it in answer["results"]] == [201, 201, 201, 409, 409]
    assert answer["results"][3]["error"]["code"] == "TOO_MANY_BOOKS"
    assert await count(app, books_table) == 3


async def test_batch_that_is_undone(app: Quart, program: Program, three: None) -> None:
    """Room that a batch had made is gone with the batch."""
    ids = await program.adds("One", "Two", "Three")
    deletes = [{"op": "delete", "id": number} for number in ids]
    unknown = {"op": "delete", "id": 4711}
    undone = await program.post(BATCH, {"operations": [*deletes, CREATE, unknown]})
    await problem(undone, 422, "INVALID_INPUT")
    await problem(await program.post(BOOKS, A_BOOK), 409, "TOO_MANY_BOOKS")
    assert await count(app, books_table) == 3


async def test_at_the_same_moment(
    app: Quart, second_app: Quart, program: Program, three: None
) -> None:
    """However many add at once, at however many processes, the list holds as many as it can."""
    programs = [program, Program(second_app, program.token)]
    statuses: list[int] = []
    while statuses.count(201) + statuses.count(409) < 12:
        answers = await asyncio.gather(*(it.post(BOOKS, A_BOOK) for it in programs * 3))
        statuses += [it.status_code for it in answers]
        assert set(statuses) <= {201, 409, 503}, "SQLite lets one wait for another so long only"
    assert statuses.count(201) == 3
    assert await count(app, books_table) == 3


async def test_what_comes_past_the_service(
    app: Quart, alice: Person, program: Program, three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that an operator puts there are seen a moment later."""
    now = 1000.0
    monkeypatch.setattr(rules, "monotonic", lambda: now)
    await program.adds("One")
    await add_books(app, alice.id, 5)
    now += rules.COUNTED_EVERY
    await problem(await program.post(BOOKS, A_BOOK), 409, "TOO_MANY_BOOKS")


async def test_counting_is_rare(
    app: Quart, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The books are counted once for many that are added at a time: adding stays quick."""
    monkeypatch.setattr(rules, "monotonic", lambda: 1000.0)
    async with counted(app) as statements:
        await program.post(BATCH, {"operations": [CREATE] * 50})
        await program.adds("One", "Two")
    assert len([it for it in statements if "count(" in it]) == 1
