"""POST /api/v1/users"""

import asyncio
from typing import Any

import pytest
from quart import Quart

from service.models import sessions_table, users_table
from tests.api.programs import BOOKS, Program, problem, wrong_fields
from tests.people import PASSWORD, add_user, count, rows

USERS = "/api/v1/users"
EMAIL = "carol@example.com"
FULL_WIDTH = "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44\uff11\uff12\uff13"
ACCOUNT = {"email": EMAIL, "password": PASSWORD}


async def test_register(app: Quart, stranger: Program) -> None:
    """A new account, which nobody is signed in to yet."""
    response = await stranger.post(USERS, ACCOUNT)
    assert response.status_code == 201
    made = await response.get_json()
    assert list(made) == ["id", "email", "registered_on"]
    assert made["email"] == EMAIL
    assert made["registered_on"].endswith("Z")
    assert response.headers["Location"] == "/api/v1/me"
    assert "Set-Cookie" not in response.headers
    [(user_id, email, hashed)] = await rows(
        app, users_table.c.id, users_table.c.email, users_table.c.password_hashed
    )
    assert (user_id, email) == (made["id"], EMAIL)
    assert hashed.startswith("$argon2id$")
    assert await count(app, sessions_table) == 0


async def test_register_then_work(app: Quart, stranger: Program) -> None:
    """All that a program needs from nothing to a book, without a page."""
    assert (await stranger.post(USERS, ACCOUNT)).status_code == 201
    made = await stranger.post("/api/v1/tokens", ACCOUNT | {"name": "a program"})
    program = Program(app, (await made.get_json())["token"])
    await program.adds("Emma")
    assert len((await (await program.get(BOOKS)).get_json())["items"]) == 1


@pytest.mark.parametrize(
    ("chosen", "typed"), [("\u00e9" * 100, "e\u0301" * 100), ("e\u0301" * 100, "\u00e9" * 100)]
)
async def test_password_in_another_form(stranger: Program, chosen: str, typed: str) -> None:
    """A password typed with composed accents is the same with decomposed ones, and as long."""
    assert (await stranger.post(USERS, ACCOUNT | {"password": chosen})).status_code == 201
    wish = {"email": EMAIL, "password": typed, "name": "a program"}
    assert (await stranger.post("/api/v1/tokens", wish)).status_code == 201
    again = wish | {"password": typed + "e"}
    await problem(await stranger.post("/api/v1/tokens", again), 401, "WRONG_CREDENTIALS")


@pytest.mark.parametrize("spelling", [EMAIL, "CAROL@Example.com"])
async def test_taken(app: Quart, stranger: Program, spelling: str) -> None:
    """One address has one account, however it is spelled."""
    await add_user(app, EMAIL)
    response = await stranger.post(USERS, {"email": spelling, "password": PASSWORD})
    await problem(response, 409, "EMAIL_TAKEN")
    assert await count(app, users_table) == 1


async def test_at_the_same_moment(app: Quart, stranger: Program) -> None:
    done = await asyncio.gather(*(stranger.post(USERS, ACCOUNT) for _ in range(6)))
    assert sorted(response.status_code for response in done) == [201, *[409] * 5]
    assert await count(app, users_table) == 1


WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"email": "nobody"}, [("email", "invalid")]),
    ({"email": None}, [("email", "missing")]),
    ({"email": "car\0ol@example.com"}, [("email", "invalid_characters")]),
    ({"email": "eve@example.com\r\nBcc: a@example.com"}, [("email", "invalid")]),
    ({"email": "x" * 89 + "@example.com"}, [("email", "invalid")]),
    ({"password": 12345678}, [("password", "invalid")]),
    ({"password": "7 chars"}, [("password", "too_short")]),
    ({"password": "x" * 129}, [("password", "too_long")]),
    ({"password": "e\u0301u\u0308o\u0308a\u0308"}, [("password", "too_short")]),
    ({"password": "\ufdfa" * 8}, [("password", "too_long")]),
    ({"password": FULL_WIDTH}, [("password", "common")]),
    ({"password": "\uff43arol@example.com"}, [("password", "guessable")]),
    ({"password": "iloveyou1"}, [("password", "common")]),
    ({"password": EMAIL}, [("password", "guessable")]),
    ({"email": "a@@b", "password": "short"}, [("email", "invalid"), ("password", "too_short")]),
    ({"confirm": PASSWORD}, [("confirm", "unknown")]),
    (
        {"id": 1, "is_admin": True, "password_hashed": "x"},
        [("id", "unknown"), ("is_admin", "unknown"), ("password_hashed", "unknown")],
    ),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_wrong(app: Quart, stranger: Program) -> None:
    """All that is wrong is told at once, and no password comes back."""
    for change, expected in WRONG:
        response = await stranger.post(USERS, ACCOUNT | change)
        assert await wrong_fields(response) == expected, change
        assert PASSWORD not in await response.get_data(as_text=True)
    assert await wrong_fields(await stranger.post(USERS, {})) == [
        ("email", "missing"),
        ("password", "missing"),
    ]
    assert await count(app, users_table) == 0
