"""How programs are told how often they may call."""

import re

import pytest
from quart import Quart
from sqlalchemy import update

from service.limits.buckets import Limit
from service.limits.rules import (
    LOGIN_PER_ACCOUNT,
    LOGIN_PER_ADDRESS,
    REGISTRATIONS_PER_ADDRESS,
    REVOCATIONS,
    WRITES_PER_USER,
)
from service.models import rate_limits_table, sessions_table
from tests.api.programs import A_BOOK, BOOKS, Program, Script, add_program, problem
from tests.api.test_scopes import operations
from tests.clocks import Clock
from tests.markup import parse
from tests.people import PASSWORD, Person, rows
from tests.statements import run

WISH = {"email": "alice@example.com", "password": "not the right one", "name": "x"}
STANDING = re.compile(r'"(?P<name>[a-z-]+)";r=(?P<left>\d+);t=(?P<reset>\d+)')


def policy(*limits: Limit) -> str:
    return ", ".join(f'"{it.name}";q={it.count};w={it.period:g}' for it in limits)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_operation_has_a_limit_or_a_reason(app: Quart) -> None:
    """Writes are limited; reads say why they need not be, with figures that a test holds."""
    for name, declared in operations(app).items():
        if name.startswith("GET "):
            assert declared.reason, name
            assert not declared.limits, name
        else:
            assert not declared.reason, name
            assert declared.limits or declared.scope is not None, name


async def test_ending_a_token_is_not_stopped(
    app: Quart, clock: Clock, program: Program, script: Script, alice: Person
) -> None:
    """Whoever uses up the writes of a person cannot keep them from ending that, or a session."""
    stolen = await add_program(app, alice.id, ["books:write", "account:write"])
    for _ in range(WRITES_PER_USER.count):
        await stolen.delete(f"{BOOKS}/4711")
    for _ in range(REVOCATIONS.count):
        await stolen.delete("/api/v1/tokens/4711")
    await problem(await stolen.delete("/api/v1/sessions/4711"), 429, "TOO_MANY_REQUESTS")
    await problem(await script.delete(f"{BOOKS}/4711"), 429, "TOO_MANY_REQUESTS")
    ended = await script.delete(f"/api/v1/tokens/{stolen.token_id}")
    assert ended.status_code == 204
    assert ended.headers["RateLimit-Policy"] == policy(REVOCATIONS)
    await problem(await stolen.get(), 401, "NOT_AUTHENTICATED")
    page = f"/profile/tokens/{program.token_id}/revoke"
    form = (await parse(await alice.get(page))).fields
    assert (await alice.post(page, form)).status_code == 303
    [(session_id,)] = await rows(app, sessions_table.c.id)
    assert (await script.delete(f"/api/v1/sessions/{session_id}")).status_code == 204


async def test_writes(
    app: Quart, clock: Clock, program: Program, script: Script, bobs: Program
) -> None:
    """Each write tells what is left, over all tokens and sessions of the person, till none is."""
    limit = WRITES_PER_USER
    for left in (*range(limit.count - 1, limit.count - 7, -1), 5, 4, 3, 2, 1, 0):
        if left == 5:  # as if so many had been made
            await leave(app, clock, 6)
        response = await (script if left % 2 else program).patch(f"{BOOKS}/4711", {})
        assert response.status_code == 404
        assert response.headers["RateLimit-Policy"] == policy(limit)
        standing = STANDING.fullmatch(response.headers["RateLimit"])
        assert standing
        assert (standing["name"], int(standing["left"])) == ("write-user", left)
        assert int(standing["reset"]) == -(-(limit.count - left) // 5), "five a second, rounded up"
        assert "Retry-After" not in response.headers
    for _ in range(3):
        refused = await program.post(BOOKS, A_BOOK)
        await problem(refused, 429, "TOO_MANY_REQUESTS")
        assert refused.headers["RateLimit-Policy"] == policy(limit)
        assert refused.headers["RateLimit"] == '"write-user";r=0;t=60'
        assert refused.headers["Retry-After"] == "1"
    assert (await program.get(BOOKS)).status_code == 200
    assert (await bobs.post(BOOKS, A_BOOK)).status_code == 201
    await clock.advance(int(refused.headers["Retry-After"]))
    assert (await program.post(BOOKS, A_BOOK)).status_code == 201


async def leave(app: Quart, clock: Clock, left: int) -> None:
    """There is one bucket, of writes, and it has room for so many more."""
    full_at = clock.now + (WRITES_PER_USER.count - left) * WRITES_PER_USER.interval
    await run(app, update(rate_limits_table).values(empty_at=full_at))


async def test_reads(program: Program) -> None:
    """What is not limited tells of no limit."""
    await program.adds("Emma")
    for path in (BOOKS, f"{BOOKS}/1", "/api/v1/me", "/api/v1/tokens", "/api/v1/sessions"):
        response = await program.get(path)
        assert response.status_code == 200
        assert not {"RateLimit", "RateLimit-Policy"} & set(response.headers.keys())


async def test_tokens(clock: Clock, stranger: Program, alice: Person) -> None:
    """Failures are counted for the address and for the account; a right password is not."""
    for _ in range(20):
        made = await stranger.post("/api/v1/tokens", WISH | {"password": PASSWORD})
        assert made.status_code == 201
    for number in range(LOGIN_PER_ACCOUNT.count):
        response = await stranger.post("/api/v1/tokens", WISH)
        await problem(response, 401, "WRONG_CREDENTIALS")
        assert response.headers["RateLimit-Policy"] == policy(LOGIN_PER_ADDRESS, LOGIN_PER_ACCOUNT)
        standings = STANDING.findall(response.headers["RateLimit"])
        assert [(name, int(left)) for name, left, _ in standings] == [
            ("login-address", LOGIN_PER_ADDRESS.count - number - 1),
            ("login-account", LOGIN_PER_ACCOUNT.count - number - 1),
        ]
    refused = await stranger.post("/api/v1/tokens", WISH | {"password": PASSWORD})
    await problem(refused, 429, "TOO_MANY_REQUESTS")
    assert refused.headers["Retry-After"] == "30"
    assert refused.headers["RateLimit"] == '"login-address";r=20;t=100, "login-account";r=0;t=300'
    await clock.advance(int(refused.headers["Retry-After"]))
    made = await stranger.post("/api/v1/tokens", WISH | {"password": PASSWORD})
    assert made.status_code == 201


async def test_registrations(clock: Clock, stranger: Program) -> None:
    """Registering is counted for the address it comes from, right or wrong."""
    for number in range(REGISTRATIONS_PER_ADDRESS.count):
        body = {"email": f"nobody{number}", "password": PASSWORD}
        response = await stranger.post("/api/v1/users", body)
        assert response.status_code == 422
        assert response.headers["RateLimit-Policy"] == policy(REGISTRATIONS_PER_ADDRESS)
    account = {"email": "carol@example.com", "password": PASSWORD}
    refused = await stranger.post("/api/v1/users", account)
    await problem(refused, 429, "TOO_MANY_REQUESTS")
    assert refused.headers["Retry-After"] == "36"
    await clock.advance(36)
    assert (await stranger.post("/api/v1/users", account)).status_code == 201


class TestOff:
    """Load tests count nothing."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"RATE_LIMITS": "off"}

    async def test_no_headers(self, program: Program) -> None:
        response = await program.post(BOOKS, A_BOOK)
        assert response.status_code == 201
        assert not {"RateLimit", "RateLimit-Policy"} & set(response.headers.keys())
