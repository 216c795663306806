"""POST and GET /api/v1/tokens, GET and DELETE /api/v1/tokens/{id}, DELETE /current"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart import Quart, Response

from service.models import access_tokens_table, rate_limits_table
from service.tokens.rules import MAX_TOKENS
from tests.api.programs import (
    BOOKS,
    MANUAL,
    Program,
    Script,
    add_program,
    at_rest,
    expire,
    problem,
    wrong_fields,
)
from tests.jobs import clean_up
from tests.odd_texts import INVISIBLE
from tests.people import PASSWORD, Person, add_user, count, rows

TOKENS = "/api/v1/tokens"
DAY = 24 * 3600
WISH: dict[str, Any] = {"email": "alice@example.com", "password": PASSWORD, "name": "laptop"}


async def items(caller: Program) -> list[dict[str, Any]]:
    response = await caller.get(TOKENS)
    assert response.status_code == 200
    found: list[dict[str, Any]] = (await response.get_json())["items"]
    return found


def lifetime(expires_at: str) -> timedelta:
    return datetime.fromisoformat(expires_at) - datetime.now(UTC)


async def test_make(app: Quart, stranger: Program, alice: Person) -> None:
    """With the password alone: a token for books, for 90 days, whose text is shown this once."""
    response = await stranger.post(TOKENS, WISH)
    assert response.status_code == 201
    made = await response.get_json()
    assert list(made) == ["id", "token", "name", "scopes", "expires_at"]
    assert response.headers["Location"] == f"{TOKENS}/{made['id']}"
    assert response.headers["Cache-Control"] == "no-store"
    assert (made["name"], made["scopes"]) == ("laptop", ["books:read", "books:write"])
    assert made["expires_at"].endswith("Z")
    assert abs(lifetime(made["expires_at"]) - timedelta(days=90)) < timedelta(minutes=5)
    assert (await Program(app, made["token"]).get(BOOKS)).status_code == 200
    assert await rows(app, access_tokens_table.c.id, access_tokens_table.c.user_id) == [
        (made["id"], alice.id)
    ]


async def test_make_as_wished(app: Quart, stranger: Program, alice: Person) -> None:
    """Scopes come in one order, each once."""
    wish = {"scopes": ["account:read", "books:read", "account:read"], "expires_in": DAY}
    response = await stranger.post(TOKENS, WISH | wish | {"otp": None})
    made = await response.get_json()
    assert made["scopes"] == ["books:read", "account:read"]
    assert abs(lifetime(made["expires_at"]) - timedelta(days=1)) < timedelta(minutes=5)
    [listed] = await items(Program(app, made["token"]))
    assert listed["scopes"] == made["scopes"]


WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"email": ""}, [("email", "missing")]),
    ({"email": 5}, [("email", "invalid")]),
    ({"password": ""}, [("password", "missing")]),
    ({"password": "x" * 129}, [("password", "invalid")]),
    ({"name": ""}, [("name", "missing")]),
    ({"name": " \t"}, [("name", "invalid")]),
    *(({"name": text}, [("name", "invalid")]) for text in INVISIBLE),
    ({"password": "e\u0301" * 129}, [("password", "invalid")]),
    ({"password": "\ufdfa" * 129}, [("password", "invalid")]),
    ({"name": "x" * 101}, [("name", "invalid")]),
    ({"name": "a\0"}, [("name", "invalid_characters")]),
    ({"scopes": []}, [("scopes", "invalid")]),
    ({"scopes": None}, [("scopes", "missing")]),
    ({"scopes": ["books"]}, [("scopes", "invalid")]),
    ({"scopes": "books:read"}, [("scopes", "invalid")]),
    ({"scopes": ["books:read"] * 5}, [("scopes", "invalid")]),
    ({"expires_in": 59}, [("expires_in", "invalid")]),
    ({"expires_in": 366 * DAY + 1}, [("expires_in", "invalid")]),
    ({"expires_in": "60"}, [("expires_in", "invalid")]),
    ({"expires_in": True}, [("expires_in", "invalid")]),
    ({"expires_in": 10**30}, [("expires_in", "invalid")]),
    ({"otp": 123456}, [("otp", "invalid")]),
    ({"id": 1, "user_id": 2}, [("id", "unknown"), ("user_id", "unknown")]),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_make_wrong(app: Quart, stranger: Program, alice: Person) -> None:
    """What is wrong is told by name, and nothing is tried with the password."""
    for change, expected in WRONG:
        assert await wrong_fields(await stranger.post(TOKENS, WISH | change)) == expected, change
    assert await count(app, access_tokens_table) == 0
    assert await count(app, rate_limits_table) == 0


async def test_make_wrong_credentials(
    app: Quart, stranger: Program, alice: Person, holds: list[float]
) -> None:
    """An unknown address and a wrong password are answered alike, after the same time."""
    await add_user(app, "legacy@example.com", "scrypt:32768:8:1$x$00")
    answers = set()
    for change in (
        {"password": "not the right one"},
        {"email": "nobody@example.com"},
        {"email": "legacy@example.com"},
        {"email": "not an address"},
        {"email": "a\u0131ice@example.com"},
    ):
        response = await stranger.post(TOKENS, WISH | change, X_Request_ID="the-same-request")
        await problem(response, 401, "WRONG_CREDENTIALS")
        assert response.headers["WWW-Authenticate"] == "Bearer"
        answers.add(await response.get_data())
    assert len(answers) == 1
    assert len(holds) == 5
    assert await count(app, access_tokens_table) == 0


async def test_make_too_many(app: Quart, stranger: Program, alice: Person) -> None:
    """Nobody has more than a hundred; the right password counts as no failure for it."""
    for _ in range(MAX_TOKENS - 1):
        await add_program(app, alice.id)
    last = await add_program(app, alice.id)
    for _ in range(12):
        await problem(await stranger.post(TOKENS, WISH), 409, "TOO_MANY_TOKENS")
    assert len(await items(last)) == MAX_TOKENS
    await expire(app, last.token_id)
    assert (await stranger.post(TOKENS, WISH)).status_code == 201


async def test_list(app: Quart, program: Program, alice: Person, bobs: Program) -> None:
    """One's own that can be used, the newest first, without their texts."""
    second = await add_program(app, alice.id, ["account:read"])
    ended = await add_program(app, alice.id)
    await expire(app, ended.token_id)
    await at_rest(app)
    found = await items(second)
    assert [token["id"] for token in found] == [second.token_id, program.token_id]
    assert list(found[0]) == [*("id", "name", "scopes", "created_at", "expires_at", "last_used_at")]
    assert found[0]["created_at"].endswith("Z")
    assert found[1]["last_used_at"] is None
    await at_rest(app)
    assert (await items(second))[0]["last_used_at"].endswith("Z")
    assert str(second.token) not in str(found)


async def test_list_by_script(script: Script, program: Program) -> None:
    assert [token["id"] for token in await items(script)] == [program.token_id]


async def test_get(app: Quart, program: Program, alice: Person, script: Script) -> None:
    """One of one's own that can be used, as the list shows it."""
    reader = await add_program(app, alice.id, ["account:read"])
    await at_rest(app)
    for caller in (reader, script):
        response = await caller.get(f"{TOKENS}/{program.token_id}")
        assert response.status_code == 200
        await at_rest(app)
        listed = [it for it in await items(caller) if it["id"] == program.token_id]
        assert [await response.get_json()] == listed
        assert str(program.token) not in await response.get_data(as_text=True)


async def test_get_needs_its_scope(app: Quart, program: Program, alice: Person) -> None:
    other = await add_program(app, alice.id, ["books:read", "books:write", "account:write"])
    for token_id in (program.token_id, other.token_id, 4711):
        refused = await other.get(f"{TOKENS}/{token_id}")
        await problem(refused, 403, "INSUFFICIENT_SCOPE")


async def test_get_of_another(app: Quart, program: Program, bobs: Program) -> None:
    """Another's token, one that has ended and one that there never was are told alike."""
    ended = await add_program(app, (await owner_of(app, bobs)))
    await expire(app, ended.token_id)
    answers = set()
    for token_id in (program.token_id, ended.token_id, 4711):
        response = await bobs.get(f"{TOKENS}/{token_id}", X_Request_ID="the-same-request")
        await problem(response, 404, "TOKEN_NOT_FOUND")
        answers.add(await response.get_data())
    assert len(answers) == 1
    await problem(await bobs.get(f"{TOKENS}/current"), 405, "METHOD_NOT_ALLOWED")


async def owner_of(app: Quart, program: Program) -> int:
    found = await rows(app, access_tokens_table.c.id, access_tokens_table.c.user_id)
    return int(dict(found)[program.token_id])


async def test_second_factor_is_not_looked_at(app: Quart, stranger: Program, alice: Person) -> None:
    """No account has one yet: whatever `otp` is, the password decides, as the description says."""
    for otp in (None, "", "123456", "no code"):
        assert (await stranger.post(TOKENS, WISH | {"otp": otp})).status_code == 201
    wrong = WISH | {"password": "not the right one", "otp": "123456"}
    await problem(await stranger.post(TOKENS, wrong), 401, "WRONG_CREDENTIALS")
    assert "`otp` is accepted and ignored" in MANUAL


async def test_revoke(app: Quart, program: Program, alice: Person) -> None:
    """It is refused from the next request on; the others go on."""
    other = await add_program(app, alice.id)
    assert (await other.get(BOOKS)).status_code == 200
    assert (await program.delete(f"{TOKENS}/{other.token_id}")).status_code == 204
    await problem(await other.get(BOOKS), 401, "NOT_AUTHENTICATED")
    await problem(await program.delete(f"{TOKENS}/{other.token_id}"), 404, "TOKEN_NOT_FOUND")
    assert (await program.delete(f"{TOKENS}/{program.token_id}")).status_code == 204
    await problem(await program.get(BOOKS), 401, "NOT_AUTHENTICATED")


async def test_revoke_again(app: Quart, program: Program, alice: Person) -> None:
    """Sent again after a lost answer, it does not meet a token that was made since."""
    path = f"{TOKENS}/{(await add_program(app, alice.id)).token_id}"
    assert (await program.delete(path)).status_code == 204
    new = await add_program(app, alice.id)
    await problem(await program.delete(path), 404, "TOKEN_NOT_FOUND")
    assert (await new.get(BOOKS)).status_code == 200


async def test_revoke_of_another(program: Program, bobs: Program) -> None:
    """Another's token is told from none by nothing."""
    answers = []
    for token_id in (program.token_id, 4711):
        response = await bobs.delete(f"{TOKENS}/{token_id}", X_Request_ID="the-same-request")
        await problem(response, 404, "TOKEN_NOT_FOUND")
        answers.append(await response.get_data())
    assert answers[0] == answers[1]
    assert (await program.get(BOOKS)).status_code == 200


async def test_revoke_at_the_same_moment(app: Quart, program: Program, alice: Person) -> None:
    other = await add_program(app, alice.id)
    done = await asyncio.gather(*(program.delete(f"{TOKENS}/{other.token_id}") for _ in range(5)))
    assert sorted(response.status_code for response in done) == [204, *[404] * 4]


async def test_revoke_current(app: Quart, program: Program, alice: Person) -> None:
    """A program signs itself out, whatever its scopes; the person's others stay."""
    reader = await add_program(app, alice.id, ["books:read"])
    assert (await reader.delete(f"{TOKENS}/current")).status_code == 204
    await problem(await reader.get(BOOKS), 401, "NOT_AUTHENTICATED")
    await problem(await reader.delete(f"{TOKENS}/current"), 401, "NOT_AUTHENTICATED")
    assert (await program.get(BOOKS)).status_code == 200


async def test_revoke_current_of_a_session(script: Script) -> None:
    """A session is no token: it ends by signing out."""
    await problem(await script.delete(f"{TOKENS}/current"), 403, "INSUFFICIENT_SCOPE")


async def test_expired_are_removed(app: Quart, program: Program, alice: Person) -> None:
    ended = await add_program(app, alice.id)
    await expire(app, ended.token_id)
    await problem(await program.delete(f"{TOKENS}/{ended.token_id}"), 404, "TOKEN_NOT_FOUND")
    await clean_up(app)
    assert await rows(app, access_tokens_table.c.id) == [(program.token_id,)]


async def test_never_in_the_log(
    app: Quart, stranger: Program, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the password nor the token is written down, used, wrong or in the wrong place."""
    response: Response = await stranger.post(TOKENS, WISH)
    token = (await response.get_json())["token"]
    await Program(app, token).get(BOOKS)
    await Program(app, token[:-1]).get(BOOKS)
    await stranger.get(f"{BOOKS}?token={token}")
    assert caplog.records
    written = caplog.text + str([vars(record) for record in caplog.records])
    assert token[:-1] not in written
    assert PASSWORD not in written
