"""Whose call it is: the bearer token, and nothing that only looks like one."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import update

from service.auth.queries import USE_NOTED_EVERY
from service.exceptions import DatabaseUnavailableError
from service.models import DatabaseNow, access_tokens_table, metadata
from service.security.tokens import hash_token, new_access_token
from tests.api.programs import (
    A_BOOK,
    BOOKS,
    Program,
    Script,
    add_program,
    at_rest,
    counted,
    expire,
    problem,
    wrong_fields,
)
from tests.clocks import Clock
from tests.people import PASSWORD, Browser, Person, rows
from tests.statements import run
from tests.waiting import LONG_ENOUGH
from tests.wire import send

SAME = {"X-Request-ID": "the-same-request"}


def test_token_format() -> None:
    """The prefix, at least 160 random bits, and a checksum that finds what was mistyped."""
    made = {new_access_token() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch("rl_[0-9A-Za-z]{30}[0-9A-Za-z]{6}", text) for text in made)
    assert 62**30 > 2**160
    assert {text[place] for text in made for place in range(3, 33)} > set("0aAzZ9")


async def test_checksum(app: Quart, program: Program) -> None:
    """A token with a wrong character is refused without asking the database."""
    assert program.token
    for place in range(len(program.token)):
        other = "x" if program.token[place] != "x" else "y"
        mistyped = program.token[:place] + other + program.token[place + 1 :]
        async with counted(app) as statements:
            await problem(await Program(app, mistyped).get(BOOKS), 401, "NOT_AUTHENTICATED")
        assert statements == []


async def test_only_the_hash_is_kept(app: Quart, program: Program) -> None:
    """Nothing in the database can be used as a token."""
    assert program.token
    held = [str(row) for table in metadata.sorted_tables for row in await rows(app, *table.c)]
    assert not [row for row in held if program.token in row or program.token[3:] in row]
    [(token_hash,)] = await rows(app, access_tokens_table.c.token_hash)
    assert token_hash == hash_token(program.token)
    for text in (token_hash.hex(), f"rl_{token_hash.hex()}"):
        await problem(await Program(app, text).get(BOOKS), 401, "NOT_AUTHENTICATED")


async def test_wrong_tokens(app: Quart, program: Program, alice: Person) -> None:
    """Unknown, expired, revoked and garbage are refused alike, to the last byte."""
    ended, revoked = await add_program(app, alice.id), await add_program(app, alice.id)
    for it in (ended, revoked):
        assert (await it.get(BOOKS)).status_code == 200
    await expire(app, ended.token_id)
    await program.delete(f"/api/v1/tokens/{revoked.token_id}")
    answers = set()
    garbage = [
        "",
        "x",
        "rl_",
        "rl_" + "x" * 36,
        "a b",
        "🦉".encode().decode("latin-1"),
        "a,b",
        "\0",
    ]
    garbage += [f'"{program.token}"', f"{program.token} x", "x" * 8000]
    for token in [new_access_token(), ended.token, revoked.token, *garbage]:
        for method, path, body in (("GET", BOOKS, None), ("POST", BOOKS, A_BOOK)):
            response = await Program(app, token).call(method, path, body, SAME)
            await problem(response, 401, "NOT_AUTHENTICATED")
            assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
            answers.add((tuple(sorted(response.headers)), await response.get_data()))
    assert len(answers) == 1
    assert (await program.get(BOOKS)).status_code == 200


async def test_expiry_is_exact(app: Quart, clock: Clock, program: Program) -> None:
    [(expires_at,)] = await rows(app, access_tokens_table.c.expires_at)
    for moment, status in ((-1, 200), (0, 401), (1, 401)):
        await clock.set(expires_at + timedelta(microseconds=moment))
        assert (await program.get(BOOKS)).status_code == status


async def test_scheme(app: Quart, program: Program) -> None:
    """The scheme's case does not matter, and more than one space neither."""
    for scheme in ("Bearer ", "bearer ", "BEARER ", "bEaReR   "):
        headers = {"Authorization": f"{scheme}{program.token}"}
        assert (await Program(app).get(BOOKS, **headers)).status_code == 200


async def test_other_schemes(app: Quart, program: Program) -> None:
    token = program.token
    for value in (
        f"Basic {token}",
        f"Token {token}",
        f"{token}",
        f"Bearer{token}",
        f"Bearer:{token}",
    ):
        response = await Program(app).get(BOOKS, Authorization=value)
        await problem(response, 401, "NOT_AUTHENTICATED")
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_other_places(app: Quart, program: Program, stranger: Program) -> None:
    """A token in an address, a cookie, another header or a body is nobody's."""
    token = program.token
    for name in ("access_token", "token", "bearer", "api_key"):
        await problem(await stranger.get(f"{BOOKS}?{name}={token}"), 401, "NOT_AUTHENTICATED")
        await problem(await stranger.get(BOOKS, Cookie=f"{name}={token}"), 401, "NOT_AUTHENTICATED")
    for header in ("X-API-Key", "X-Access-Token", "Proxy-Authorization"):
        response = await stranger.get(BOOKS, **{header: f"Bearer {token}"})
        await problem(response, 401, "NOT_AUTHENTICATED")
    response = await stranger.post(BOOKS, A_BOOK | {"access_token": token})
    await problem(response, 401, "NOT_AUTHENTICATED")


async def test_not_the_session(app: Quart, program: Program, alice: Person) -> None:
    """A session's cookie is no token, and a token no session."""
    await problem(await Program(app, alice.cookie()).get(BOOKS), 401, "NOT_AUTHENTICATED")
    browser = Browser(app)
    browser.set_cookie(str(program.token))
    assert (await browser.get("/profile")).status_code == 303
    page = await send(app, "GET", "/books/", headers=[("Authorization", f"Bearer {program.token}")])
    assert page.status == 303


async def test_token_comes_first(app: Quart, script: Script, bobs: Program) -> None:
    """Who sends a token is judged by it, whatever cookie is there too."""
    await bobs.adds("Bob's")
    both = await script.get(BOOKS, Authorization=f"Bearer {bobs.token}")
    assert [book["title"] for book in (await both.get_json())["items"]] == ["Bob's"]
    wrong = await script.get(BOOKS, Authorization="Bearer rl_wrong")
    await problem(wrong, 401, "NOT_AUTHENTICATED")
    basic = await script.get(BOOKS, Authorization="Basic YTpi")
    assert (await basic.get_json())["items"] == []


async def test_session(app: Quart, script: Script) -> None:
    """A script of our own pages needs no token, until its person signs out."""
    assert (await script.post(BOOKS, A_BOOK)).status_code == 201
    assert len((await (await script.get(BOOKS)).get_json())["items"]) == 1
    before = script.person.cookie()
    await script.person.post("/logout")
    response = await Program(app).get(BOOKS, Cookie=f"readlog-session={before}")
    await problem(response, 401, "NOT_AUTHENTICATED")
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_use_is_noted(app: Quart, program: Program) -> None:
    """When a token was used is written down, beside the call, once a minute at most."""

    async def last_use() -> Any:
        await at_rest(app)
        [(noted,)] = await rows(app, access_tokens_table.c.last_used_at)
        return noted

    assert await last_use() is None
    [(began,)] = await rows(app, DatabaseNow())
    await program.get(BOOKS)
    first = await last_use()
    assert first >= began
    async with counted(app) as statements:
        await program.get(BOOKS)
        await asyncio.gather(*(program.get(BOOKS) for _ in range(3)))
        assert await last_use() == first
    assert not [text for text in statements if text.startswith("UPDATE")]
    long_ago = DatabaseNow(-USE_NOTED_EVERY)
    await run(app, update(access_tokens_table).values(last_used_at=long_ago))
    await asyncio.gather(*(program.get(BOOKS) for _ in range(5)))
    assert await last_use() > first


async def test_use_is_noted_once_of_many(app: Quart, program: Program) -> None:
    """Of many first uses at the same moment one is kept: the others change no row."""
    kept = []

    async def first_wins() -> None:
        await program.get(BOOKS)
        await at_rest(app)
        kept.extend(await rows(app, access_tokens_table.c.last_used_at))

    await asyncio.gather(*(first_wins() for _ in range(5)))
    assert len(set(kept)) == 1


@pytest.mark.parametrize("how", ["slow", "unavailable"])
async def test_use_that_cannot_be_noted(
    app: Quart, program: Program, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The call neither waits nor fails for it."""
    go_on, tried = asyncio.Event(), asyncio.Event()

    async def note_use(*args: Any) -> None:
        tried.set()
        if how == "unavailable":
            raise DatabaseUnavailableError
        await go_on.wait()

    monkeypatch.setattr("service.auth.queries.note_use", note_use)
    assert (await program.get(BOOKS)).status_code == 200
    assert (await program.post(BOOKS, A_BOOK)).status_code == 201
    async with asyncio.timeout(LONG_ENOUGH):
        await tried.wait()
    go_on.set()
    await at_rest(app)


async def test_account_is_gone(app: Quart, program: Program, alice: Person) -> None:
    """An account takes its tokens along."""
    assert (await program.delete("/api/v1/me")).status_code == 204
    await problem(await program.get(BOOKS), 401, "NOT_AUTHENTICATED")
    await problem(await program.post(BOOKS, A_BOOK), 401, "NOT_AUTHENTICATED")


async def test_a_token_cannot_make_tokens(app: Quart, program: Program) -> None:
    """Nor change the password or the address: for these the password itself is needed."""
    wish = {"email": "alice@example.com", "name": "another"}
    response = await program.post("/api/v1/tokens", wish)
    assert await wrong_fields(response) == [("password", "missing")]
    for body in ({"password": "a new passphrase"}, {"email": "eve@example.com"}, {}):
        for proof in ({"current_password": PASSWORD}, {}):
            response = await program.patch("/api/v1/me", body | proof)
            await problem(response, 403, "INSUFFICIENT_SCOPE")
    assert len(await rows(app, access_tokens_table.c.id)) == 1


async def test_body_of_nobody_is_not_read(stranger: Program) -> None:
    """Who may not is told so, whatever the body would be worth."""
    for body in ("{", "[]", '{"x": 1}'):
        headers = {"Content-Type": "application/json"}
        response = await stranger.call("POST", BOOKS, headers=headers, data=body)
        await problem(response, 401, "NOT_AUTHENTICATED")
