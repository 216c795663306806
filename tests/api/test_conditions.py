"""ETag, If-Match and If-None-Match on books: nothing that somebody else wrote is overwritten."""

import asyncio
from collections import Counter

import pytest
from quart import Quart
from sqlalchemy import update

from service.models import books_table, users_table
from tests.api.programs import A_BOOK, BOOKS, Program, Script, counted, problem
from tests.etags import FORMS, OTHERS
from tests.markup import parse
from tests.people import Person, rows
from tests.statements import run

CHANGES = [("PUT", A_BOOK), ("PATCH", {"rating": 2}), ("DELETE", None)]
every_change = pytest.mark.parametrize(("method", "body"), CHANGES, ids=["PUT", "PATCH", "DELETE"])


async def lists(app: Quart) -> list[tuple[object, ...]]:
    """Every book, and the version of every list."""
    books = await rows(app, *books_table.c)
    return [*books, *await rows(app, users_table.c.id, users_table.c.books_revision)]


async def test_etags_are_strong(program: Program) -> None:
    """Every answer with the book has its ETag: after each change another, till then the same."""
    made = await program.post(BOOKS, A_BOOK)
    path = made.headers["Location"]
    put = await program.put(path, A_BOOK)
    patched = await program.patch(path, {"rating": 1})
    for changed in (made, put, patched):
        assert changed.headers["ETag"].startswith('"')
    got = await program.get(path)
    assert got.headers["ETag"] == patched.headers["ETag"]
    assert len({it.headers["ETag"] for it in (made, put, patched)}) == 3
    await program.adds("Another")
    assert (await program.get(path)).headers["ETag"] == got.headers["ETag"]


async def test_unchanged(program: Program) -> None:
    """What the program has already is not sent again, and what it has not is."""
    made = await program.post(BOOKS, A_BOOK)
    path, etag = made.headers["Location"], made.headers["ETag"]
    for known in (*(form(etag) for form in FORMS.values()), f'"other", {etag}', "*"):
        same = await program.get(path, If_None_Match=known)
        assert same.status_code == 304
        assert await same.get_data() == b""
        assert same.headers["ETag"] == etag
    list_etag = (await program.get(BOOKS)).headers["ETag"]
    others = [other(etag) for other in OTHERS.values()]
    for unknown in ('"other"', "", "garbage", list_etag, *others):
        assert (await program.get(path, If_None_Match=unknown)).status_code == 200, unknown
    await program.patch(path, {})
    assert (await program.get(path, If_None_Match=etag)).status_code == 200


@every_change
async def test_fresh(app: Quart, program: Program, method: str, body: object) -> None:
    """Who has seen the book as it is may change it, also where other ETags are named besides."""
    for spare in ("{}", '"other", {}', '{}, W/"x"', "{} , garbage", '*, {}, "1-of-1-1"'):
        made = await program.post(BOOKS, A_BOOK)
        known = spare.format(made.headers["ETag"])
        response = await program.call(method, made.headers["Location"], body, {"If-Match": known})
        assert response.status_code in (200, 204), known


@every_change
async def test_fresh_through_a_proxy(program: Program, method: str, body: object) -> None:
    """The ETag is known in each form that proxies make of it, and so is a stale one."""
    for name, form in FORMS.items():
        made = await program.post(BOOKS, A_BOOK)
        path, stale = made.headers["Location"], form(made.headers["ETag"])
        fresh = form((await program.patch(path, {"rating": 1})).headers["ETag"])
        refused = await program.call(method, path, body, {"If-Match": stale})
        await problem(refused, 412, "BOOK_CHANGED")
        done = await program.call(method, path, body, {"If-Match": f"{stale}, {fresh}"})
        assert done.status_code in (200, 204), name


@every_change
async def test_stale(app: Quart, program: Program, method: str, body: object) -> None:
    """An ETag of the book with another version: it was changed, and nothing is done."""
    made = await program.post(BOOKS, A_BOOK)
    path, stale = made.headers["Location"], made.headers["ETag"]
    fresh = (await program.put(path, A_BOOK | {"title": "Emma"})).headers["ETag"]
    other = (await program.post(BOOKS, A_BOOK)).headers["ETag"]
    before = await lists(app)
    representation, book_id, version = fresh.strip('"').split("-")
    for known in (
        *(stale, f'"other", {stale}', f'{other}, W/{stale}, "x"', f"{stale}, garbage"),
        *(f'"{representation}-{book_id}-9999999999"', f'"{representation}-{book_id}-{2**31}"'),
        # From a release that represents books otherwise.
        *(f'"0-{book_id}-{version}"', f'"2-{book_id}-{version}"'),
    ):
        response = await program.call(method, path, body, {"If-Match": known})
        await problem(response, 412, "BOOK_CHANGED")
    assert await lists(app) == before


@every_change
async def test_no_etag_of_the_book(app: Quart, program: Program, method: str, body: object) -> None:
    """A tag that the book never had says nothing of its version: the code ends a loop."""
    made = await program.post(BOOKS, A_BOOK)
    path = made.headers["Location"]
    fresh = (await program.put(path, A_BOOK | {"title": "Emma"})).headers["ETag"]
    other = (await program.post(BOOKS, A_BOOK)).headers["ETag"]
    of_list = (await program.get(BOOKS)).headers["ETag"]
    before = await lists(app)
    representation, book_id, version = fresh.strip('"').split("-")
    for known in (
        *('"x"', 'W/"x"', '"x", "y"', other, of_list, f'{other}, {of_list}, W/"x"', '""', '"*"'),
        *("", "garbage", fresh.strip('"'), '"', ",", "**", f'"{fresh.strip(chr(34))} "'),
        *(f'"0{representation}-{book_id}-{version}"', f'"{representation}-0{book_id}-{version}"'),
        *(f'"{representation}-{book_id}-0{version}"', f'"{representation}-{book_id}-\xb2"'),
        *(f'"{representation}-{book_id}"', f'"{representation}-9999999999-{version}"'),
        *(f'"{representation}-{book_id}-{"1" * 5000}"', f'"-gzip{fresh[1:]}'),
        f'"{fresh.strip(chr(34))}-identity"',
    ):
        response = await program.call(method, path, body, {"If-Match": known})
        told = await problem(response, 412, "NO_ETAG")
        assert "Send the ETag header" in told["detail"]
    assert await lists(app) == before
    # Of a book that is not there nothing can be said but that.
    missing = await program.call(method, f"{BOOKS}/4711", body, {"If-Match": '"x"'})
    await problem(missing, 404, "BOOK_NOT_FOUND")


@every_change
async def test_any(program: Program, method: str, body: object) -> None:
    """A star means whatever is there; no condition means the same."""
    for headers in ({"If-Match": "*"}, {"If-Match": " * "}, {}):
        made = await program.post(BOOKS, A_BOOK)
        response = await program.call(method, made.headers["Location"], body, headers)
        assert response.status_code in (200, 204)


@every_change
async def test_only_if_there_is_none(program: Program, method: str, body: object) -> None:
    """Books are made by POST alone: there is one, so nothing is done, or there is none."""
    made = await program.post(BOOKS, A_BOOK)
    path, etag = made.headers["Location"], made.headers["ETag"]
    for headers in ({"If-None-Match": "*"}, {"If-None-Match": "*", "If-Match": etag}):
        await problem(await program.call(method, path, body, headers), 412, "BOOK_CHANGED")
        missing = await program.call(method, f"{BOOKS}/4711", body, headers)
        await problem(missing, 404, "BOOK_NOT_FOUND")
    assert (await program.get(path)).headers["ETag"] == etag


@every_change
async def test_condition_that_is_not_for_changes(
    program: Program, method: str, body: object
) -> None:
    """It is refused rather than ignored."""
    made = await program.post(BOOKS, A_BOOK)
    path, etag = made.headers["Location"], made.headers["ETag"]
    response = await program.call(method, path, body, {"If-None-Match": etag})
    await problem(response, 400, "BAD_REQUEST")
    assert (await program.get(path)).headers["ETag"] == etag


@every_change
async def test_deleted_meanwhile(program: Program, method: str, body: object) -> None:
    made = await program.post(BOOKS, A_BOOK)
    path, etag = made.headers["Location"], made.headers["ETag"]
    await program.delete(path)
    response = await program.call(method, path, body, {"If-Match": etag})
    await problem(response, 404, "BOOK_NOT_FOUND")


async def test_id_given_again(app: Quart, program: Program) -> None:
    """A new book with a deleted one's id is not the one that was seen.

    No database gives an id twice, but one that was restored from a dump may.
    """
    made = await program.post(BOOKS, A_BOOK)
    book_id = (await made.get_json())["id"]
    await program.delete(made.headers["Location"])
    again = (await (await program.post(BOOKS, A_BOOK)).get_json())["id"]
    await run(app, update(books_table).where(books_table.c.id == again).values(id=book_id))
    path = made.headers["Location"]
    assert (await program.get(path)).headers["ETag"] != made.headers["ETag"]
    response = await program.put(path, A_BOOK, If_Match=made.headers["ETag"])
    await problem(response, 412, "BOOK_CHANGED")


async def test_compare_and_swap(program: Program, script: Script) -> None:
    """Twenty who add one at the same moment, each to what it has seen, lose nothing."""
    [book_id] = await program.adds("0")
    path, outcomes = f"{BOOKS}/{book_id}", Counter[int]()

    async def increment(caller: Program) -> None:
        while True:
            seen = await caller.get(path)
            if seen.status_code == 503:  # twenty are more than the pool has connections
                continue
            title = str(int((await seen.get_json())["title"]) + 1)
            done = await caller.patch(path, {"title": title}, If_Match=seen.headers["ETag"])
            outcomes[done.status_code] += 1
            if done.status_code not in (412, 503):
                return

    await asyncio.gather(*(increment(program if n % 2 else script) for n in range(20)))
    assert set(outcomes) <= {200, 412, 503}, outcomes  # 503: no connection was free
    assert outcomes[200] == 20
    assert (await (await program.get(path)).get_json())["title"] == "20"


async def test_delete_at_the_same_moment(program: Program) -> None:
    """One deletes it; to the others it is gone."""
    [book_id] = await program.adds("Emma")
    etag = (await program.get(f"{BOOKS}/{book_id}")).headers["ETag"]
    done = await asyncio.gather(
        *(program.delete(f"{BOOKS}/{book_id}", If_Match=etag) for _ in range(8))
    )
    assert sorted(response.status_code for response in done) == [204, *[404] * 7]


async def test_page_and_program(app: Quart, program: Program, alice: Person) -> None:
    """Two editors, one on the page and one with the API: whoever is later is told, both ways."""
    made = await program.post(BOOKS, A_BOOK)
    path, etag = made.headers["Location"], made.headers["ETag"]
    page = f"/books/{path.rpartition('/')[2]}/edit"
    form = (await parse(await alice.get(page))).fields
    by_program = await program.patch(path, {"title": "The program's"}, If_Match=etag)
    assert by_program.status_code == 200
    assert (await alice.post(page, form | {"book_title": "Alice's"})).status_code == 409
    assert await rows(app, books_table.c.title) == [("The program's",)]

    form = (await parse(await alice.get(page))).fields
    assert (await alice.post(page, form | {"book_title": "Alice's"})).status_code == 303
    stale = await program.patch(path, {"title": "X"}, If_Match=by_program.headers["ETag"])
    await problem(stale, 412, "BOOK_CHANGED")
    assert await rows(app, books_table.c.title) == [("Alice's",)]


async def test_get_costs_two_statements(app: Quart, program: Program) -> None:
    [book_id] = await program.adds("Emma")
    async with counted(app) as statements:
        assert (await program.get(f"{BOOKS}/{book_id}")).status_code == 200
    assert len(statements) == 2, statements
