"""Idempotency-Key on POST: a request that is repeated is done once."""

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from quart import Quart, Response
from sqlalchemy import update

from service import idempotency
from service.books import queries, rules
from service.idempotency import LIFETIME
from service.models import DatabaseNow, books_table, idempotency_keys_table
from tests.api.programs import A_BOOK, BOOKS, Program, Script, add_program, problem, wrong_fields
from tests.jobs import clean_up
from tests.people import Person, count, rows
from tests.statements import run

BATCH = f"{BOOKS}/batch"
FULL = {"operations": [{"op": "create", "book": A_BOOK}] * 3}


async def add(
    program: Program, key: str, body: Any = A_BOOK, path: str = BOOKS, **headers: str
) -> Response:
    return await program.post(path, body, Idempotency_Key=key, **headers)


def is_replay(response: Response) -> bool:
    return response.headers.get("Idempotency-Replayed") == "true"


async def age(app: Quart, by: timedelta) -> None:
    """Every key was first used so long ago."""
    await run(app, update(idempotency_keys_table).values(created_at=DatabaseNow(-by)))


@pytest.mark.parametrize(("path", "body"), [(BOOKS, A_BOOK), (BATCH, FULL)], ids=["book", "batch"])
async def test_repeated(app: Quart, program: Program, path: str, body: Any) -> None:
    """The same request again has the same answer, to the last byte, and no other effect."""
    first = await add(program, "one", body, path)
    assert not is_replay(first)
    done = await rows(app, books_table.c.id, books_table.c.version)
    for _ in range(2):
        again = await add(program, "one", body, path)
        assert again.status_code == first.status_code
        assert await again.get_data() == await first.get_data()
        assert is_replay(again)
        for name in ("Content-Type", "Location", "ETag"):
            assert again.headers.get(name) == first.headers.get(name)
        assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert await rows(app, books_table.c.id, books_table.c.version) == done


async def test_another_key(app: Quart, program: Program) -> None:
    """Without a key, or with another, the same book twice is two books."""
    for headers in ({"Idempotency-Key": "a"}, {"Idempotency-Key": "A"}, {}, {}):
        response = await program.call("POST", BOOKS, A_BOOK, headers)
        assert response.status_code == 201
        assert not is_replay(response)
    assert await count(app, books_table) == 4


async def test_what_was_made_is_gone(program: Program) -> None:
    """The answer is what it was, whatever has become of the book: nothing is made anew."""
    first = await add(program, "one")
    await program.delete(first.headers["Location"])
    again = await add(program, "one")
    assert (again.status_code, is_replay(again)) == (201, True)
    assert (await program.get(first.headers["Location"])).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (BOOKS, A_BOOK | {"title": "Emma"}),
        (BOOKS, {"title": "Middlemarch", "author": "George Eliot"}),
        (BATCH, FULL),
    ],
    ids=["title", "rating", "address"],
)
async def test_another_request(app: Quart, program: Program, path: str, body: Any) -> None:
    """A key belongs to one request: with another it is refused, and its own still works."""
    await add(program, "one")
    assert await wrong_fields(await add(program, "one", body, path)) == [
        ("Idempotency-Key", "reused")
    ]
    assert await count(app, books_table) == 1
    assert is_replay(await add(program, "one"))


async def test_other_bytes(app: Quart, program: Program) -> None:
    """The body is compared as it was sent."""
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json"}
    text = json.dumps(A_BOOK)
    assert (await program.call("POST", BOOKS, headers=headers, data=text)).status_code == 201
    response = await program.call("POST", BOOKS, headers=headers, data=f" {text}")
    assert await wrong_fields(response) == [("Idempotency-Key", "reused")]


async def test_of_another(app: Quart, program: Program, bobs: Program) -> None:
    """Two people may use the same key, and learn nothing of each other."""
    first = await (await add(program, "one")).get_json()
    others = await add(bobs, "one", A_BOOK | {"title": "Bob's"})
    assert (others.status_code, is_replay(others)) == (201, False)
    assert (await others.get_json())["id"] != first["id"]
    assert is_replay(await add(bobs, "one", A_BOOK | {"title": "Bob's"}))


async def test_with_another_token(
    app: Quart, program: Program, script: Script, alice: Person
) -> None:
    """A key is a person's, with whichever token or session."""
    await add(program, "one")
    assert is_replay(await add(await add_program(app, alice.id), "one"))
    assert is_replay(await add(script, "one"))


async def test_needs_the_scope(app: Quart, program: Program, alice: Person) -> None:
    """An answer is repeated only to who may make the request."""
    await add(program, "one")
    reader = await add_program(app, alice.id, ["books:read"])
    await problem(await add(reader, "one"), 403, "INSUFFICIENT_SCOPE")


BAD_KEYS = ["", "x" * 256, "a\tb", "é", "🦉".encode().decode("latin-1"), "\x7f"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_bad_keys(app: Quart, program: Program) -> None:
    """What cannot be a key is refused, and nothing is done."""
    for key in BAD_KEYS:
        assert await wrong_fields(await add(program, key)) == [("Idempotency-Key", "invalid")], key
    assert await count(app, books_table) == 0
    for key in ("x", "x" * 255, '"9f4c6f0e"', "!#$%&'*+-.^_`|~ ()"):
        assert (await add(program, key)).status_code == 201, key


async def test_kept_for_a_day(app: Quart, program: Program) -> None:
    """For 24 hours the answer is there, whatever housekeeping does; then the key is free."""
    await add(program, "one")
    await age(app, LIFETIME - timedelta(minutes=1))
    await clean_up(app)
    assert is_replay(await add(program, "one"))
    await age(app, LIFETIME + timedelta(seconds=1))
    other = A_BOOK | {"title": "Emma"}
    new = await add(program, "one", other)
    assert (new.status_code, is_replay(new)) == (201, False)
    assert is_replay(await add(program, "one", other))
    assert await count(app, books_table) == 2
    await age(app, LIFETIME + timedelta(seconds=1))
    await clean_up(app)
    assert await count(app, idempotency_keys_table) == 0


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (BOOKS, {"title": ""}, 422),
        (BATCH, {"operations": [{"op": "create", "book": A_BOOK}, {"op": "delete", "id": 9}]}, 422),
    ],
    ids=["book", "batch"],
)
async def test_refused(app: Quart, program: Program, path: str, body: Any, status: int) -> None:
    """A request that was refused did nothing, and leaves its key free."""
    assert (await add(program, "one", body, path)).status_code == status
    assert await count(app, idempotency_keys_table) == 0
    mended = await add(program, "one")
    assert (mended.status_code, is_replay(mended)) == (201, False)


class FaultError(Exception):
    """The process might as well have died here."""


@pytest.mark.parametrize("place", ["before", "between", "after"])
async def test_interrupted(
    app: Quart, program: Program, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Book and key are written together: whatever fails in between, both are there or neither."""

    async def fail(*args: Any) -> None:
        raise FaultError

    def then_fail(work: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def done(*args: Any) -> None:
            await work(*args)
            raise FaultError

        return done

    with monkeypatch.context() as patch:
        # Which of the two adds depends on whether this owner's list was counted just before.
        for name in ("add_book", "add_book_at_once") if place != "after" else ():
            work = getattr(queries, name)
            patch.setattr(queries, name, fail if place == "before" else then_fail(work))
        if place == "after":
            patch.setattr(idempotency, "keep", then_fail(idempotency.keep))
        await problem(await add(program, "one"), 500, "INTERNAL_SERVER_ERROR")
    assert (await count(app, books_table), await count(app, idempotency_keys_table)) == (0, 0)
    again = await add(program, "one")
    assert (again.status_code, is_replay(again)) == (201, False)
    assert (await count(app, books_table), await count(app, idempotency_keys_table)) == (1, 1)


async def test_answer_lost(app: Quart, program: Program) -> None:
    """The process fails after the commit: who asks again gets the answer that was lost."""
    commits: list[Any] = []

    async def lose(response: Any) -> Any:
        if not commits:
            commits.append(response)
            raise FaultError
        return response

    app.after_request(lose)
    assert (await add(program, "one")).status_code == 500
    again = await add(program, "one")
    assert (again.status_code, is_replay(again)) == (201, True)
    assert await count(app, books_table) == 1


async def repeat(program: Program, times: int, headers: Mapping[str, str]) -> list[Response]:
    return await asyncio.gather(
        *(program.call("POST", BOOKS, A_BOOK, headers) for _ in range(times))
    )


async def test_fifty_at_once(app: Quart, program: Program) -> None:
    """Fifty of one request at the same moment make one book, and nobody gets another answer."""
    statuses, bodies = Counter[int](), set[bytes]()
    while len(bodies) == 0 or statuses[201] < 50:
        for response in await repeat(program, 50 - statuses[201], {"Idempotency-Key": "one"}):
            statuses[response.status_code] += 1
            if response.status_code == 201:
                bodies.add(await response.get_data(as_text=False))
            else:
                code = {409: "STILL_RUNNING", 503: "DATABASE_UNAVAILABLE"}[response.status_code]
                await problem(response, response.status_code, code)
                assert int(response.headers["Retry-After"]) >= 1
    assert len(bodies) == 1
    assert (await count(app, books_table), await count(app, idempotency_keys_table)) == (1, 1)


@pytest.mark.parametrize("expired", [False, True], ids=["new", "expired"])
async def test_still_running(
    app: Quart,
    program: Program,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    expired: bool,
) -> None:
    """Meanwhile the same request is told to wait; SQLite has it wait itself."""
    if expired:
        await add(program, "one")
        await age(app, LIFETIME + timedelta(seconds=1))
    made = await count(app, books_table)
    add_book = rules.add_book
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any) -> Any:
        entered.set()
        await go_on.wait()
        return await add_book(*args)

    monkeypatch.setattr(rules, "add_book", slowly)
    first = asyncio.create_task(add(program, "one"))
    await entered.wait()
    if database_url.startswith("sqlite"):
        second = asyncio.create_task(add(program, "one"))
        await asyncio.sleep(0.05)
        go_on.set()
        response = await second
        assert (response.status_code, is_replay(response)) == (201, True)
    else:
        response = await add(program, "one")
        await problem(response, 409, "STILL_RUNNING")
        assert int(response.headers["Retry-After"]) >= 1
        go_on.set()
    assert (await first).status_code == 201
    assert is_replay(await add(program, "one"))
    assert await count(app, books_table) == made + 1


async def test_keeps_no_key_and_no_body(app: Quart, program: Program) -> None:
    """The database holds hashes of the key and the request."""
    key = "a key that nobody else should read"
    await add(program, key)
    [(kept, request)] = await rows(
        app, idempotency_keys_table.c.key, idempotency_keys_table.c.request
    )
    assert (len(kept), len(request)) == (32, 32)
    assert key.encode() not in kept + request


async def test_kept_compressed(app: Quart, program: Program) -> None:
    """A long answer is kept as HTTP has it, so that a release that knows nothing of it is right."""
    first = await add(program, "one", FULL | {"operations": FULL["operations"] * 10}, BATCH)
    [(headers, body)] = await rows(
        app, idempotency_keys_table.c.headers, idempotency_keys_table.c.body
    )
    assert json.loads(headers)["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == await first.get_data(as_text=False)
    assert len(body) < len(await first.get_data(as_text=False)) / 4


async def test_kept_by_an_earlier_release(app: Quart, program: Program) -> None:
    """Earlier releases kept every answer as it was: it is given again as it was."""
    body = FULL | {"operations": FULL["operations"] * 10}
    first = await add(program, "one", body, BATCH)
    data = await first.get_data(as_text=False)
    headers = json.dumps({"Content-Type": "application/json"})
    await run(app, update(idempotency_keys_table).values(headers=headers, body=data))
    again = await add(program, "one", body, BATCH)
    assert is_replay(again)
    assert await again.get_data(as_text=False) == data
    assert "Content-Encoding" not in again.headers
