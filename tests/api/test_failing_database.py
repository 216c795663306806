"""A database that fails at any one statement, or at the commit: 503, and nothing half done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from quart import Quart

from service.models import books_table, metadata, rate_limits_table
from tests.api.programs import A_BOOK, BOOKS, Program, Script, at_rest, problem
from tests.people import PASSWORD, count, rows
from tests.statements import observed

CALLS: list[tuple[str, str, Any]] = [
    ("GET", BOOKS, None),
    ("GET", f"{BOOKS}?count=true&sort=title", None),
    ("GET", f"{BOOKS}/1", None),
    ("POST", BOOKS, A_BOOK),
    ("PUT", f"{BOOKS}/1", A_BOOK | {"title": "Changed"}),
    ("PATCH", f"{BOOKS}/1", {"title": "Changed"}),
    ("DELETE", f"{BOOKS}/1", None),
    ("POST", f"{BOOKS}/batch", {"operations": [{"op": "create", "book": A_BOOK}] * 2}),
    ("GET", "/api/v1/me", None),
    ("GET", "/api/v1/tokens", None),
    ("GET", "/api/v1/tokens/1", None),
    ("GET", "/api/v1/sessions", None),
    ("DELETE", "/api/v1/tokens/current", None),
    ("DELETE", "/api/v1/me", None),
]


@contextmanager
def failing(app: Quart, place: int) -> Iterator[list[str]]:
    """The statement or commit with this number, counted from 0, ends the connection instead.

    Gives what was come to, till then and after. Giving back an attempt is not among it: where that
    fails the call goes on, and the attempt is given back later.
    """
    reached: list[str] = []

    def come_to(what: str) -> None:
        if what.startswith("UPDATE rate_limits"):
            return
        reached.append(what)
        if len(reached) == place + 1:
            raise ConnectionResetError(f"injected at {what}")

    with observed(app, come_to):
        yield reached


async def everything(app: Quart) -> dict[str, list[tuple[Any, ...]]]:
    """Every row but those that count attempts."""
    tables = {name: it for name, it in metadata.tables.items() if name != rate_limits_table.name}
    return {name: await rows(app, *table.c) for name, table in tables.items()}


@pytest.mark.parametrize(
    ("method", "path", "body"), CALLS, ids=[f"{method} {path[8:]}" for method, path, _ in CALLS]
)
async def test_any_statement(
    app: Quart, program: Program, method: str, path: str, body: Any
) -> None:
    """Wherever it fails, the answer says when to come back, and nothing was changed."""
    await program.adds("Emma")
    await at_rest(app)
    before = await everything(app)
    headers = {"Idempotency-Key": "one"} if method == "POST" else {}
    for place in range(50):
        with failing(app, place) as reached:
            response = await program.call(method, path, body, headers)
        if len(reached) <= place:
            break
        await problem(response, 503, "DATABASE_UNAVAILABLE")
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert await everything(app) == before, reached
    assert place >= (1 if path.endswith("/me") and method == "GET" else 2)
    assert response.status_code in (200, 201, 204)
    assert "Idempotency-Replayed" not in response.headers


async def test_change_of_password(app: Quart, script: Script, program: Program) -> None:
    """Password, sessions and tokens change together or not at all."""
    await program.get(BOOKS)
    await at_rest(app)
    before = await everything(app)
    for place in range(50):
        body = {"current_password": PASSWORD, "password": "another horse battery"}
        with failing(app, place) as reached:
            response = await script.patch("/api/v1/me", body)
        if len(reached) <= place:
            break
        await problem(response, 503, "DATABASE_UNAVAILABLE")
        assert "Set-Cookie" not in response.headers
        assert await everything(app) == before, reached
    assert response.status_code == 200
    assert place > 8


async def test_making_an_account_and_a_token(app: Quart, stranger: Program) -> None:
    """What is open to everybody fails as whole."""
    account = {"email": "carol@example.com", "password": PASSWORD}
    for path, more in (("/api/v1/users", {}), ("/api/v1/tokens", {"name": "a program"})):
        before = await everything(app)
        for place in range(50):
            with failing(app, place) as reached:
                response = await stranger.post(path, account | more)
            if len(reached) <= place:
                break
            await problem(response, 503, "DATABASE_UNAVAILABLE")
            assert await everything(app) == before, reached
        assert response.status_code == 201
        assert place >= 2


async def test_noting_a_use(app: Quart, program: Program) -> None:
    """The statement that notes a token's use may fail: the call does not."""
    with failing(app, 2) as reached:
        response = await program.get(BOOKS)
        await at_rest(app)
    assert response.status_code == 200
    assert reached[2].startswith("UPDATE access_tokens")


async def test_retry(app: Quart, program: Program) -> None:
    """A program that tries until it is done, with one key, has one book."""
    place = 0
    while True:
        with failing(app, place):
            response = await program.post(BOOKS, A_BOOK, Idempotency_Key="one")
        if response.status_code == 201:
            break
        place += 1
    assert await count(app, books_table) == 1
