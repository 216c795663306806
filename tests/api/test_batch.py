"""POST /api/v1/books/batch"""

import json
from typing import Any

import pytest
from quart import Quart, Response

from service.models import AUTHOR_MAX_LENGTH, TITLE_MAX_LENGTH, Book, User
from tests.api.programs import A_BOOK, BOOKS, Program, counted, problem, wrong_fields
from tests.people import count, rows

BATCH = f"{BOOKS}/batch"
CREATE = {"op": "create", "book": A_BOOK}
VALUES = (Book.id, Book.title, Book.rating)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def send(program: Program, *operations: Any, **more: Any) -> Response:
    return await program.post(BATCH, {"operations": list(operations), **more})


async def results(response: Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, await response.get_data(as_text=True)
    body = await response.get_json()
    assert body.keys() == {"results"}
    found: list[dict[str, Any]] = body["results"]
    return found


async def test_each_kind(app: Quart, program: Program) -> None:
    """Operations are done in their order; each result is what the operation alone had answered."""
    [first, second, third] = await program.adds("First", "Second", "Third")
    found = await results(
        await send(
            program,
            CREATE,
            {"op": "replace", "id": first, "book": {"title": "Replaced", "author": "A"}},
            {"op": "update", "id": second, "book": {"rating": 1}},
            {"op": "update", "id": second, "book": {"title": "Updated"}},
            {"op": "delete", "id": third},
        )
    )
    assert [result["status"] for result in found] == [201, 200, 200, 200, 204]
    assert [result.get("book", {}).get("title") for result in found] == [
        *("Middlemarch", "Replaced", "Second", "Updated", None)
    ]
    new = found[0]["book"]["id"]
    assert await rows(app, *VALUES) == [
        (first, "Replaced", None),
        (second, "Updated", 1),
        (new, "Middlemarch", 5),
    ]
    for result in (found[0], found[1], found[3]):
        got = await program.get(f"{BOOKS}/{result['book']['id']}")
        assert await got.get_json() == result["book"]
        assert got.headers["ETag"].strip('"').endswith(f"-{result['book']['version']}")


async def test_atomic(app: Quart, program: Program, bobs: Program) -> None:
    """One that cannot be done undoes all; each that could not is named, another's like none."""
    [mine] = await program.adds("Mine")
    [others] = await bobs.adds("Bob's")
    before = await rows(app, Book.id, Book.title, Book.version)
    operations = [
        CREATE,
        {"op": "update", "id": mine, "book": {"title": "Changed"}},
        {"op": "delete", "id": others},
        {"op": "delete", "id": 4711},
        {"op": "delete", "id": mine, "version": 4711},
    ]
    expected = [
        ("operations[2]", "BOOK_NOT_FOUND"),
        ("operations[3]", "BOOK_NOT_FOUND"),
        ("operations[4]", "BOOK_CHANGED"),
    ]
    assert await wrong_fields(await send(program, *operations)) == expected
    assert await wrong_fields(await send(program, *operations, atomic=True)) == expected
    assert await rows(app, Book.id, Book.title, Book.version) == before


async def test_not_atomic(app: Quart, program: Program, bobs: Program) -> None:
    """What can be done is done; what cannot says why."""
    [mine] = await program.adds("Mine")
    [others] = await bobs.adds("Bob's")
    found = await results(
        await send(
            program,
            CREATE,
            {"op": "delete", "id": others},
            {"op": "update", "id": mine, "book": {"title": "X"}, "version": 4711},
            {"op": "update", "id": mine, "book": {"title": "Changed"}},
            atomic=False,
        )
    )
    assert [result["status"] for result in found] == [201, 404, 412, 200]
    assert [result.get("error", {}).get("code") for result in found] == [
        *(None, "BOOK_NOT_FOUND", "BOOK_CHANGED", None)
    ]
    assert all(result["error"]["detail"] for result in found[1:3])
    titles = {title for _, title in await rows(app, Book.id, Book.title)}
    assert titles == {"Changed", "Bob's", "Middlemarch"}


async def test_versions(program: Program) -> None:
    """What was seen of a book is named by its version; each change makes the next."""
    [book_id] = await program.adds("Emma")
    book = await (await program.get(f"{BOOKS}/{book_id}")).get_json()
    change = {"op": "update", "id": book_id, "book": {"rating": 1}, "version": book["version"]}
    [first, again] = await results(await send(program, change, change, atomic=False))
    assert (first["status"], again["status"]) == (200, 412)
    version = first["book"]["version"]
    assert version != book["version"]
    replace = {"op": "replace", "id": book_id, "book": A_BOOK}
    for stale in (0, book["version"], version + 1, 2**31 - 1):
        [result] = await results(await send(program, replace | {"version": stale}, atomic=False))
        assert result["status"] == 412, stale
    [result] = await results(
        await send(program, {"op": "delete", "id": book_id, "version": version})
    )
    assert result["status"] == 204


async def test_versions_within_a_batch(app: Quart, program: Program) -> None:
    """Each change of a batch has a number of its own, in their order."""
    found = await results(await send(program, *[CREATE] * 5))
    versions = [result["book"]["version"] for result in found]
    assert versions == sorted(set(versions))
    assert await rows(app, User.books_revision) == [(versions[-1],)]


WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({}, [("operations", "missing")]),
    ({"operations": []}, [("operations", "invalid")]),
    ({"operations": {}}, [("operations", "invalid")]),
    ({"operations": [CREATE] * 101}, [("operations", "invalid")]),
    ({"operations": [CREATE], "atomic": 1}, [("atomic", "invalid")]),
    ({"operations": [CREATE], "ops": []}, [("ops", "unknown")]),
    ({"operations": [CREATE, 5]}, [("operations[1]", "invalid")]),
    ({"operations": [CREATE, {}]}, [("operations[1]", "invalid")]),
    ({"operations": [{"op": "drop"}]}, [("operations[0]", "invalid")]),
    ({"operations": [{"op": ["create"]}]}, [("operations[0]", "invalid")]),
    ({"operations": [{"op": "create"}]}, [("operations[0].book", "missing")]),
    ({"operations": [{"op": "create", "book": 5}]}, [("operations[0].book", "invalid")]),
    ({"operations": [CREATE | {"id": 1}]}, [("operations[0].id", "unknown")]),
    (
        {"operations": [CREATE] * 3 + [{"op": "create", "book": {"title": "", "rating": 9}}]},
        [
            ("operations[3].book.title", "missing"),
            ("operations[3].book.author", "missing"),
            ("operations[3].book.rating", "invalid"),
        ],
    ),
    (
        {"operations": [{"op": "update", "id": 1, "book": {"titel": "x", "author": "a\0"}}]},
        [
            ("operations[0].book.titel", "unknown"),
            ("operations[0].book.author", "invalid_characters"),
        ],
    ),
    ({"operations": [{"op": "delete"}]}, [("operations[0].id", "missing")]),
    (
        {"operations": [{"op": "delete", "id": 0}, {"op": "delete", "id": 2**31}]},
        [("operations[0].id", "invalid"), ("operations[1].id", "invalid")],
    ),
    ({"operations": [{"op": "delete", "id": "1"}]}, [("operations[0].id", "invalid")]),
    (
        {"operations": [{"op": "delete", "id": 1, "version": -1}]},
        [("operations[0].version", "invalid")],
    ),
    (
        {"operations": [{"op": "delete", "id": 1, "version": None}]},
        [("operations[0].version", "missing")],
    ),
]


@on_sqlite
async def test_wrong(app: Quart, program: Program) -> None:
    """Every wrong field is named with its place, and nothing is done, atomic or not."""
    for body, expected in WRONG:
        assert await wrong_fields(await program.post(BATCH, body)) == expected, body
        if "atomic" not in body:
            again = await program.post(BATCH, body | {"atomic": False})
            assert await wrong_fields(again) == expected, body
    assert await count(app, Book) == 0


async def test_full(app: Quart, program: Program) -> None:
    """A hundred of the longest titles fit, however their characters are escaped."""
    book = {"title": "🦉" * TITLE_MAX_LENGTH, "author": "🦉" * AUTHOR_MAX_LENGTH, "rating": 5}
    body = {"operations": [{"op": "create", "book": book}] * 100, "atomic": False}
    text = json.dumps(body, ensure_ascii=True, indent=1)
    assert "\\ud83e\\udd89" in text
    headers = {"Content-Type": "application/json", "Idempotency-Key": "full"}
    response = await program.call("POST", BATCH, headers=headers, data=text)
    assert {result["status"] for result in await results(response)} == {201}
    assert await count(app, Book) == 100
    again = await program.call("POST", BATCH, headers=headers, data=text)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await again.get_data() == await response.get_data()
    assert await count(app, Book) == 100


async def test_too_large(app: Quart, program: Program, stranger: Program) -> None:
    """Beyond that nothing is read; and nothing of that size from whom nobody knows."""
    large = json.dumps({"operations": [CREATE], "atomic": True}) + " " * 1024 * 1024
    headers = {"Content-Type": "application/json"}
    refused = await program.call("POST", BATCH, headers=headers, data=large)
    await problem(refused, 413, "REQUEST_ENTITY_TOO_LARGE")
    unknown = await stranger.call("POST", BATCH, headers=headers, data=large)
    await problem(unknown, 401, "NOT_AUTHENTICATED")
    assert await count(app, Book) == 0


async def test_counts_once(program: Program) -> None:
    """A batch is one of the calls that somebody may make."""
    before = (await program.post(BOOKS, A_BOOK)).headers["RateLimit"]
    after = (await send(program, *[CREATE] * 50)).headers["RateLimit"]
    left = [int(text.split(";")[1].removeprefix("r=")) for text in (before, after)]
    assert left[0] - left[1] in (0, 1)


async def test_one_transaction(app: Quart, program: Program) -> None:
    """A hundred operations take a few statements each, and one commit."""
    async with counted(app) as statements:
        await results(await send(program, *[CREATE] * 100))
    assert len(statements) <= 212
    assert statements.count("COMMIT") == 1
