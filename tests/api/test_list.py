"""GET /api/v1/books"""

import base64
import re
from typing import Any

import pytest
from quart import Quart, Response
from sqlalchemy import delete

from service.models import books_table
from tests.api.programs import A_BOOK, BOOKS, Program, counted, problem, wrong_fields
from tests.etags import FORMS
from tests.people import Person
from tests.statements import run

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SORTS = ["-created_at", "created_at", "title", "-title"]
# Not in the order of adding; two that are the same, and the longest that a place must hold.
TITLES = ["b", "a", "Ä", "a", " ", "\x01" * 500, "🦉" * 500, "B", "z", '"\\', "a ", "ab"]


async def part(program: Program, address: str = BOOKS, **headers: str) -> dict[str, Any]:
    response = await program.get(address, **headers)
    assert response.status_code == 200, await response.get_data(as_text=True)
    found: dict[str, Any] = await response.get_json()
    return found


def titles(found: dict[str, Any]) -> list[str]:
    return [book["title"] for book in found["items"]]


def link(response: Response) -> str | None:
    """Where the Link header leads for the next part."""
    if "Link" not in response.headers:
        return None
    match = re.fullmatch(r'<([^>]+)>; rel="next"', response.headers["Link"])
    assert match
    return match[1]


async def walk(program: Program, address: str) -> list[list[int]]:
    """The ids of each part, as the Link headers lead; `next` must lead to the same."""
    parts: list[list[int]] = []
    next_address: str | None = address
    while next_address is not None:
        response = await program.get(next_address)
        assert response.status_code == 200
        found = await response.get_json()
        parts.append([book["id"] for book in found["items"]])
        next_address = link(response)
        assert (next_address is None) == (found["next"] is None)
        if next_address is not None:
            assert f"after={found['next']}" in next_address
    return parts


async def test_list_empty(program: Program) -> None:
    response = await program.get(BOOKS)
    assert await response.get_json() == {"items": [], "next": None}
    assert link(response) is None


async def test_list(program: Program, bobs: Program) -> None:
    """One's own books, the newest first, each as it is by itself."""
    await bobs.adds("Secret")
    ids = await program.adds("Emma", "Persuasion")
    found = await part(program)
    assert [book["id"] for book in found["items"]] == ids[::-1]
    assert found["items"][0] == await part(program, f"{BOOKS}/{ids[1]}")
    assert found["next"] is None


async def test_parts(program: Program, alice: Person) -> None:
    """Every book is in exactly one part; parts are as long as they may be."""
    ids: list[int] = []
    for owned in (0, 1, 24, 25, 26, 51):
        ids += await alice.has_books(*(f"Book {number}" for number in range(len(ids), owned)))
        parts = await walk(program, BOOKS)
        assert [book_id for part in parts for book_id in part] == ids[::-1]
        assert [len(part) for part in parts[:-1]] == [25] * (len(parts) - 1)
        assert len(parts) == max(1, -(-owned // 25))


@pytest.mark.parametrize("sort", SORTS)
async def test_sorts(program: Program, alice: Person, sort: str) -> None:
    """In every order each book comes once, also where titles are the same or are long."""
    await alice.has_books(*TITLES)
    by_id = {book["id"]: book["title"] for book in (await part(program))["items"]}
    key: Any = by_id.get if "title" in sort else int
    in_order = sorted(by_id, key=lambda book_id: (key(book_id), book_id))
    for limit in (1, 5, 100):
        address = f"{BOOKS}?sort={sort}&limit={limit}"
        found = [book_id for ids in await walk(program, address) for book_id in ids]
        assert found == (in_order[::-1] if sort.startswith("-") else in_order)


@pytest.mark.parametrize("sort", SORTS)
async def test_parts_survive_changes(
    app: Quart, program: Program, alice: Person, sort: str
) -> None:
    """Books that come or go between two parts neither repeat nor hide others."""
    ids = await alice.has_books(*(f"Book {number:02}" for number in range(20)))
    first = await part(program, f"{BOOKS}?limit=6&sort={sort}")
    seen = [book["id"] for book in first["items"]]
    gone = [seen[-1], next(book_id for book_id in ids if book_id not in seen)]
    await run(app, delete(books_table).where(books_table.c.id.in_(gone)))
    new = await alice.has_books("Book 00a", "Book 99")
    rest = await walk(program, f"{BOOKS}?limit=6&sort={sort}&after={first['next']}")
    found = [book_id for part in rest for book_id in part]
    assert len(found) == len(set(found))
    assert not set(found) & set(seen)
    assert set(ids) - set(seen) - set(gone) <= set(found) <= (set(ids) | set(new)) - set(gone)


async def test_place_of_another(program: Program, bobs: Program) -> None:
    """A place is worth nothing with somebody else's token."""
    await program.adds("Emma", "Persuasion")
    await bobs.adds("Secret")
    for sort in SORTS:
        place = (await part(program, f"{BOOKS}?limit=1&sort={sort}"))["next"]
        assert {*titles(await part(bobs, f"{BOOKS}?sort={sort}&after={place}"))} <= {"Secret"}


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


PLACE = packed('["-created_at",1]')
NO_PLACES = ["7", "AAAA", "%FF", "%C3%A9", "a b", "W10", "bnVsbA", "e30", "x" * 4000]
NO_PLACES += [
    packed(text)
    for text in (
        '["-created_at"]',
        '["-created_at",0]',
        '["-created_at",-1]',
        '["-created_at",2147483648]',
        '["-created_at",99999999999999999999]',
        '["-created_at",1.0]',
        '["-created_at",true]',
        '["-created_at","1"]',
        '["-created_at", 1]',
        '["-created_at",1,2]',
        '["created_at",1]',
        '["-title","a",1]',
        '["id",1]',
        "[" * 3000,
    )
]
NO_TITLE_PLACES = ['["title",1]', '["title","a\\u0000",1]', '["title","\\ud800",1]']
NO_TITLE_PLACES += [
    '["title",null,1]',
    '["title","a",0]',
    '["-title","a",1]',
    '["title","\\u0061",1]',
]


@on_sqlite
async def test_no_places(program: Program) -> None:
    """Only what `next` was, in the same order, is taken."""
    assert await wrong_fields(await program.get(f"{BOOKS}?after=")) == [("after", "missing")]
    for place in [*NO_PLACES, PLACE + "="]:
        assert await wrong_fields(await program.get(f"{BOOKS}?after={place}")) == [
            ("after", "invalid")
        ], place
    for text in NO_TITLE_PLACES:
        address = f"{BOOKS}?sort=title&after={packed(text)}"
        assert await wrong_fields(await program.get(address)) == [("after", "invalid")], text
    assert (await program.get(f"{BOOKS}?after={PLACE}")).status_code == 200


WRONG = [
    *(
        ("limit", value)
        for value in ("0", "101", "-1", "01", "1.0", "%2B5", "%D9%A3", "x", "9" * 400)
    ),
    *(("sort", value) for value in ("rating", "Title", "--title", "id;", "title,id")),
    *(("count", value) for value in ("1", "yes", "TRUE")),
]


@on_sqlite
async def test_wrong_query(program: Program) -> None:
    """What cannot be understood is refused by name, and so is what nobody asked for."""
    for name, value in WRONG:
        response = await program.get(f"{BOOKS}?{name}={value}")
        assert await wrong_fields(response) == [(name, "invalid")], value
    assert await wrong_fields(await program.get(f"{BOOKS}?page=2")) == [("page", "unknown")]
    twice = await program.get(f"{BOOKS}?limit=1&limit=2")
    assert await wrong_fields(twice) == [("limit", "repeated")]
    both = await program.get(f"{BOOKS}?limit=0&sort=x")
    assert await wrong_fields(both) == [("limit", "invalid"), ("sort", "invalid")]


async def test_limit(program: Program, alice: Person) -> None:
    await alice.has_books(*(f"Book {number}" for number in range(101)))
    for limit in (1, 99, 100):
        found = await part(program, f"{BOOKS}?limit={limit}")
        assert len(found["items"]) == limit
        assert found["next"]


async def test_count(program: Program, alice: Person, bobs: Program) -> None:
    """The number of all books is told where it is asked for, with every part and in every order."""
    await bobs.adds("Secret")
    assert await part(program, f"{BOOKS}?count=true") == {"items": [], "next": None, "count": 0}
    await alice.has_books("b", "a", "c")
    for sort in SORTS:
        address = f"{BOOKS}?sort={sort}&limit=2"
        response = await program.get(f"{address}&count=true")
        found, plain = await response.get_json(), await part(program, address)
        assert found == plain | {"count": 3}
        rest = await part(program, link(response) or "")
        assert rest["count"] == 3
        assert len(rest["items"]) == 1
    assert "count" not in await part(program, f"{BOOKS}?count=false")
    place = found["next"]
    for book_id in (book["id"] for book in (await part(program))["items"]):
        await program.delete(f"{BOOKS}/{book_id}")
    await program.adds("0")
    beyond = await part(program, f"{BOOKS}?sort=-title&count=true&after={place}")
    assert beyond["count"] == 1


@pytest.mark.parametrize("query", ["", "?limit=100", "?sort=title", "?count=true&limit=2"])
async def test_statements(app: Quart, program: Program, alice: Person, query: str) -> None:
    """A part takes two statements, of which one authenticates, however much is asked for."""
    await alice.has_books(*(f"Book {number}" for number in range(120)))
    after = (await part(program, f"{BOOKS}{query}"))["next"]
    for address in (f"{BOOKS}{query}", f"{BOOKS}{query or '?limit=25'}&after={after}"):
        async with counted(app) as statements:
            assert (await program.get(address)).status_code == 200
        assert len(statements) == 2, statements
        assert ("count(" in statements[1].lower()) == ("count=true" in query)


async def test_unchanged(app: Quart, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that the program has already costs one statement, and is neither read nor written."""
    await program.adds("Emma")
    etag = (await program.get(BOOKS)).headers["ETag"]
    assert re.fullmatch(r'"[!#-~]+"', etag)
    monkeypatch.setattr("service.api.books.answer", None)
    for known in (*(form(etag) for form in FORMS.values()), f'"x", {etag}', "*"):
        async with counted(app) as statements:
            response = await program.get(BOOKS, If_None_Match=known)
        assert response.status_code == 304
        assert await response.get_data() == b""
        assert response.headers["ETag"] == etag
        assert len(statements) == 1, statements


async def test_etag_changes_with_every_change(program: Program, alice: Person) -> None:
    """Whatever is done to a list, through the API or the pages, whoever has it is told."""
    seen = [(await program.get(BOOKS)).headers["ETag"]]

    async def changed(response: Response) -> None:
        assert response.status_code in (200, 201, 204, 303)
        now = await program.get(BOOKS, If_None_Match=seen[-1])
        assert now.status_code == 200
        seen.append(now.headers["ETag"])

    made = await program.post(BOOKS, A_BOOK)
    await changed(made)
    path = made.headers["Location"]
    await changed(await program.put(path, A_BOOK | {"title": "Put"}))
    await changed(await program.patch(path, {"rating": None}))
    create = {"op": "create", "book": A_BOOK}
    await changed(await program.post(f"{BOOKS}/batch", {"operations": [create, create]}))
    await changed(await program.delete(path))
    form = {"book_title": "Typed", "book_author": "A", "book_rating": ""}
    await changed(await alice.post("/books/add", form))
    typed = (await part(program))["items"][0]["id"]
    await changed(await alice.post(f"/books/{typed}/edit", form | {"book_rating": "1"}))
    await changed(await alice.post(f"/books/{typed}/delete"))
    assert len(set(seen)) == len(seen) == 9


async def test_etag_stays_without_a_change(program: Program, bobs: Program) -> None:
    """What is refused, and what others do, changes no list."""
    [book_id] = await program.adds("Emma")
    etag = (await program.get(BOOKS)).headers["ETag"]
    await problem(await bobs.delete(f"{BOOKS}/{book_id}"), 404, "BOOK_NOT_FOUND")
    await problem(await program.delete(f"{BOOKS}/4711"), 404, "BOOK_NOT_FOUND")
    await program.delete(f"{BOOKS}/{book_id}", If_Match='"stale"')
    await wrong_fields(await program.post(BOOKS, {}))
    refused = {"operations": [{"op": "create", "book": A_BOOK}, {"op": "delete", "id": 4711}]}
    await wrong_fields(await program.post(f"{BOOKS}/batch", refused))
    await bobs.adds("Secret")
    assert (await program.get(BOOKS)).headers["ETag"] == etag


async def test_etag_is_ones_own(program: Program, bobs: Program) -> None:
    """All lists have one address: the ETag of Alice's does not make Bob's unchanged."""
    await program.adds("Emma")
    await bobs.adds("Secret")
    etag = (await program.get(BOOKS)).headers["ETag"]
    response = await bobs.get(BOOKS, If_None_Match=etag)
    assert response.status_code == 200
    assert response.headers["ETag"] != etag


async def test_wrong_query_of_an_unchanged_list(program: Program) -> None:
    """An ETag does not make a wrong question right."""
    etag = (await program.get(BOOKS)).headers["ETag"]
    for query in ("limit=0", "after=nonsense"):
        response = await program.get(f"{BOOKS}?{query}", If_None_Match=etag)
        await problem(response, 422, "INVALID_INPUT")
