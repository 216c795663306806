"""POST /api/v1/books/batch"""

import asyncio
import json
from typing import Any

import pytest
from quart import Quart, Response
from sqlalchemy import func

from service.api.batch import MAX_OPERATIONS
from service.exceptions import DatabaseUnavailableError
from service.idempotency import StillRunningError
from service.limits.rules import WRITES_PER_USER
from service.models import (
    AUTHOR_MAX_LENGTH,
    TITLE_MAX_LENGTH,
    DatabaseEpoch,
    books_table,
    idempotency_keys_table,
    rate_limits_table,
    users_table,
)
from tests.api.programs import A_BOOK, BOOKS, Program, at_rest, counted, problem, wrong_fields
from tests.clocks import Clock
from tests.people import count, rows

BATCH = f"{BOOKS}/batch"
CREATE = {"op": "create", "book": A_BOOK}
VALUES = (books_table.c.id, books_table.c.title, books_table.c.rating)
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
    before = await rows(app, books_table.c.id, books_table.c.title, books_table.c.version)
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
    assert await rows(app, books_table.c.id, books_table.c.title, books_table.c.version) == before


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
    titles = {title for _, title in await rows(app, books_table.c.id, books_table.c.title)}
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
    assert await rows(app, users_table.c.books_revision) == [(versions[-1],)]


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
        {"operations": [{"op": "update", "id": 1, "book": {"title": "\u200b"}}]},
        [("operations[0].book.title", "invalid")],
    ),
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
    assert await count(app, books_table) == 0


async def test_full(app: Quart, program: Program) -> None:
    """A hundred of the longest titles fit, however their characters are escaped."""
    book = {"title": "🦉" * TITLE_MAX_LENGTH, "author": "🦉" * AUTHOR_MAX_LENGTH, "rating": 5}
    body = {"operations": [{"op": "create", "book": book}] * 100, "atomic": False}
    text = json.dumps(body, ensure_ascii=True, indent=1)
    assert "\\ud83e\\udd89" in text
    headers = {"Content-Type": "application/json", "Idempotency-Key": "full"}
    response = await program.call("POST", BATCH, headers=headers, data=text)
    assert {result["status"] for result in await results(response)} == {201}
    assert await count(app, books_table) == 100
    again = await program.call("POST", BATCH, headers=headers, data=text)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await again.get_data() == await response.get_data()
    assert again.headers["Content-Length"] == response.headers["Content-Length"]
    assert await count(app, books_table) == 100
    [(kept,)] = await rows(app, func.length(idempotency_keys_table.c.body))
    assert kept < 10_000, f"of {response.headers['Content-Length']} bytes"


async def test_too_large(app: Quart, program: Program, stranger: Program) -> None:
    """Beyond that nothing is read; and nothing of that size from whom nobody knows."""
    large = json.dumps({"operations": [CREATE], "atomic": True}) + " " * 1024 * 1024
    headers = {"Content-Type": "application/json"}
    refused = await program.call("POST", BATCH, headers=headers, data=large)
    await problem(refused, 413, "REQUEST_ENTITY_TOO_LARGE")
    unknown = await stranger.call("POST", BATCH, headers=headers, data=large)
    await problem(unknown, 401, "NOT_AUTHENTICATED")
    assert await count(app, books_table) == 0


async def left(app: Quart) -> int:
    """How many writes may be made now, of the one person that there is."""
    [(full,)] = await rows(app, rate_limits_table.c.empty_at - DatabaseEpoch())
    return WRITES_PER_USER.count - round(float(full) / WRITES_PER_USER.interval)


def standing(left: int) -> str:
    """The header of somebody who may make so many more writes: five a second come back."""
    used = WRITES_PER_USER.count - left
    return f'"write-user";r={left};t={-(-used // 5)}'


async def test_counts_operations(app: Quart, clock: Clock, program: Program) -> None:
    """Each operation is a write, whatever comes of it, and the headers say so."""
    response = await send(program, *[CREATE] * 50)
    assert response.headers["RateLimit"] == standing(250)
    assert response.headers["RateLimit-Policy"] == '"write-user";q=300;w=60'
    delete = {"op": "delete", "id": 4711}
    assert (await send(program, *[delete] * 20, atomic=False)).headers["RateLimit"] == standing(230)
    assert (await send(program, *[delete] * 9)).headers["RateLimit"] == standing(221)
    assert (await send(program, CREATE)).headers["RateLimit"] == standing(220)
    assert await left(app) == 220


async def test_counts_what_is_not_valid_once(app: Quart, clock: Clock, program: Program) -> None:
    """What is no batch has no operations."""
    refused = await send(program, *[CREATE] * 50, {})
    assert await wrong_fields(refused) == [("operations[50]", "invalid")]
    assert refused.headers["RateLimit"] == standing(299)


async def test_full_batches_within_the_limit(app: Quart, clock: Clock, program: Program) -> None:
    """The largest batch fits into the limit, and more than that are not let through together."""
    assert WRITES_PER_USER.count >= MAX_OPERATIONS
    for left in (200, 100, 0):
        response = await send(program, *[CREATE] * MAX_OPERATIONS)
        assert response.status_code == 200
        assert response.headers["RateLimit"] == standing(left)
    refused = await send(program, *[CREATE] * MAX_OPERATIONS)
    await problem(refused, 429, "TOO_MANY_REQUESTS")
    assert await count(app, books_table) == 300


async def test_more_than_is_left(app: Quart, clock: Clock, program: Program) -> None:
    """It is refused as a whole and counts nothing; in the time that is told it is let through."""
    await send(program, *[CREATE] * 100)
    await send(program, *[CREATE] * 100)
    await send(program, *[CREATE] * 50)
    before = await rows(app, users_table.c.books_revision, users_table.c.id)
    for _ in range(3):
        refused = await send(program, *[CREATE] * 60, atomic=False)
        await problem(refused, 429, "TOO_MANY_REQUESTS")
        assert refused.headers["RateLimit"] == standing(50)
        assert refused.headers["Retry-After"] == "2", "ten are missing, and five a second come back"
    assert (
        await count(app, books_table),
        await rows(app, users_table.c.books_revision, users_table.c.id),
    ) == (250, before)
    assert (await send(program, *[CREATE] * 40)).headers["RateLimit"] == standing(10)
    await clock.advance(10)
    assert (await send(program, *[CREATE] * 60)).headers["RateLimit"] == standing(0)


async def test_counts_what_is_repeated_once(app: Quart, clock: Clock, program: Program) -> None:
    """A batch that was done already does nothing: whoever lost the answer may ask again."""
    body = {"operations": [CREATE] * 100}
    await program.post(BATCH, body, Idempotency_Key="one")
    for left in range(199, 189, -1):
        again = await program.post(BATCH, body, Idempotency_Key="one")
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers["RateLimit"] == standing(left)
    assert await count(app, books_table) == 100


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DatabaseUnavailableError(), 503),
        (StillRunningError(), 409),
        (asyncio.CancelledError(), 503),
        (RuntimeError("nobody foresaw it"), 500),
    ],
    ids=lambda it: type(it).__name__,
)
async def test_counts_what_fails_once(
    app: Quart,
    clock: Clock,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
) -> None:
    """What was not done for a reason of ours may be sent again at once."""

    async def fail(*args: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("service.idempotency.claim", fail)
        body = {"operations": [CREATE] * 100}
        failed = await program.post(BATCH, body, Idempotency_Key="one")
        assert failed.status_code == status
    await at_rest(app)
    assert await left(app) == 299


async def test_one_transaction(app: Quart, program: Program) -> None:
    """A hundred operations take a few statements each, and one commit."""
    async with counted(app) as statements:
        await results(await send(program, *[CREATE] * 100))
    assert len(statements) <= 214
    assert statements.count("COMMIT") == 1
