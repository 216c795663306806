"""Answers of the API as they go over the wire: what the test client would smooth over."""

import json

import pytest
from quart import Quart

from service.models import books_table
from tests.api.described import encoded
from tests.api.programs import A_BOOK, BOOKS, Program
from tests.people import count
from tests.wire import Answer, send


async def call(program: Program, method: str, path: str, **headers: str) -> Answer:
    sent = {"Authorization": f"Bearer {program.token}", "Content-Type": "application/json"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b"" if method in ("GET", "DELETE", "HEAD") else json.dumps(A_BOOK).encode()
    return await send(program.app, method, path, headers=(sent | named).items(), body=body)


async def test_answers_without_a_body(app: Quart, program: Program) -> None:
    """204 and 304 say nothing of a body, which they must not have (RFC 9110, 8.6)."""
    made = await call(program, "POST", BOOKS)
    path, etag = made.one("Location"), made.one("ETag")
    unchanged = await call(program, "GET", path, If_None_Match=etag)
    list_etag = (await call(program, "GET", BOOKS)).one("ETag")
    unchanged_list = await call(program, "GET", BOOKS, If_None_Match=list_etag)
    deleted = await call(program, "DELETE", path)
    assert [unchanged.status, unchanged_list.status, deleted.status] == [304, 304, 204]
    for answer in (unchanged, unchanged_list, deleted):
        assert answer.body == b""
        assert not answer.all("Content-Length")
        assert not answer.all("Content-Type")
    assert not (await call(program, "OPTIONS", BOOKS)).all("Content-Type")


async def test_headers_in_several_lines(app: Quart, program: Program) -> None:
    """A list of ETags in two lines is one list."""
    made = await call(program, "POST", BOOKS)
    path, etag = made.one("Location"), made.one("ETag")
    headers = [("Authorization", f"Bearer {program.token}")]
    lines = [("If-None-Match", '"other"'), ("If-None-Match", etag)]
    assert (await send(app, "GET", path, headers=[*headers, *lines])).status == 304
    lines = [("If-Match", '"other"'), ("If-Match", etag)]
    assert (await send(app, "DELETE", path, headers=[*headers, *lines])).status == 204


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Content-Type"])
async def test_header_twice(app: Quart, program: Program, name: str) -> None:
    """What can mean one thing alone is not taken for its first or last line."""
    headers = {
        "Authorization": f"Bearer {program.token}",
        "Idempotency-Key": "one",
        "Content-Type": "application/json",
    }
    for more in (headers[name], "other"):
        lines = [*headers.items(), (name, more)]
        answer = await send(app, "POST", BOOKS, headers=lines, body=encoded(A_BOOK))
        assert answer.status == 400
        assert name in json.loads(answer.body)["detail"]
    assert await count(app, books_table) == 0


async def test_book_is_not_to_be_transformed(program: Program) -> None:
    """A proxy that compressed it would make its ETag one that If-Match does not take."""
    made = await call(program, "POST", BOOKS)
    for method in ("GET", "PUT"):
        answer = await call(program, method, made.one("Location"))
        assert answer.one("Cache-Control") == made.one("Cache-Control") == "no-store, no-transform"


async def test_private(program: Program) -> None:
    """No cache keeps an answer of the API, and scripts of other sites cannot read it."""
    for method, path in (("POST", BOOKS), ("GET", BOOKS), ("GET", f"{BOOKS}/4711")):
        answer = await call(program, method, path)
        assert answer.one("Cache-Control").split(", ")[0] == "no-store"
        assert answer.one("X-Content-Type-Options") == "nosniff"
        assert not answer.all("Access-Control-Allow-Origin")
        assert not answer.all("Set-Cookie")
