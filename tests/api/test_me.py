"""GET, PATCH and DELETE /api/v1/me"""

from datetime import timedelta
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import insert, update

from service import db
from service.models import (
    access_tokens_table,
    legacy_books_table,
    metadata,
    rate_limits_table,
    sessions_table,
    users_table,
)
from tests.api.programs import (
    A_BOOK,
    BOOKS,
    Program,
    Script,
    add_program,
    at_rest,
    problem,
    wrong_fields,
)
from tests.people import PASSWORD, Browser, Person, rows
from tests.statements import run, run_on
from tests.users.test_sessions import cookies

ME = "/api/v1/me"
NEW = "another horse battery"


async def signs_in(app: Quart, email: str, password: str) -> bool:
    browser = Browser(app)
    response = await browser.post("/login", {"email": email, "password": password})
    return bool(response.status_code == 303)


async def test_get(program: Program, script: Script, bobs: Program, alice: Person) -> None:
    for caller in (program, script):
        response = await caller.get(ME)
        assert response.status_code == 200
        found = await response.get_json()
        assert list(found) == ["id", "email", "registered_on"]
        assert (found["id"], found["email"]) == (alice.id, "alice@example.com")
        assert found["registered_on"].endswith("Z")
    assert (await (await bobs.get(ME)).get_json())["email"] == "bob@example.com"


async def test_change_password(
    app: Quart, script: Script, program: Program, alice: Person, bob: Person
) -> None:
    """No token and no other session of hers survives it; this session goes on, by a new cookie."""
    elsewhere = Browser(app)
    await elsewhere.post("/login", {"email": alice.email, "password": PASSWORD})
    planted = Program(app)
    before = f"readlog-session={alice.cookie()}"
    body = {"current_password": PASSWORD, "password": NEW}
    response = await script.patch(ME, body)
    assert response.status_code == 200
    assert (await response.get_json())["email"] == alice.email
    await problem(await program.get(BOOKS), 401, "NOT_AUTHENTICATED")
    assert (await elsewhere.get("/profile")).status_code == 303
    await problem(await planted.get(ME, Cookie=before), 401, "NOT_AUTHENTICATED")
    alice.set_cookie(cookies(response)["readlog-session"].value)
    assert (await script.get(ME)).status_code == 200
    assert (await bob.get("/profile")).status_code == 200
    assert not await signs_in(app, alice.email, PASSWORD)
    assert await signs_in(app, alice.email, NEW)


@pytest.mark.parametrize("remembered", [False, True])
async def test_change_password_keeps_the_lifetime(
    app: Quart, script: Script, alice: Person, remembered: bool
) -> None:
    """The new cookie lasts as long as the old one would have."""
    [(created_at,)] = await rows(app, sessions_table.c.created_at)
    lifetime = timedelta(days=30) if remembered else timedelta(hours=24)
    await run(app, update(sessions_table).values(expires_at=created_at + lifetime))
    response = await script.patch(ME, {"current_password": PASSWORD, "password": NEW})
    cookie = cookies(response)["readlog-session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    if remembered:
        assert 0 <= lifetime.total_seconds() - int(cookie["max-age"]) < 300
    else:
        assert cookie["max-age"] == ""
    assert await rows(app, sessions_table.c.expires_at) == [(created_at + lifetime,)]


async def test_change_email(app: Quart, script: Script, program: Program, alice: Person) -> None:
    """The address is kept in its one spelling; tokens and sessions go on."""
    body = {"current_password": PASSWORD, "email": "Alice@BÜCHER.example.com"}
    response = await script.patch(ME, body)
    assert response.status_code == 200
    email = "alice@xn--bcher-kva.example.com"
    assert (await response.get_json())["email"] == email
    assert "Set-Cookie" not in response.headers
    for caller in (script, program):
        assert (await (await caller.get(ME)).get_json())["email"] == email
    assert await signs_in(app, email, PASSWORD)
    assert not await signs_in(app, "alice@example.com", PASSWORD)


async def test_change_password_in_another_form(app: Quart, script: Script, alice: Person) -> None:
    """A password that is long only as it is typed is neither too long to set nor to prove."""
    decomposed = "e\u0301" * 100
    body = {"current_password": PASSWORD, "password": decomposed}
    changed = await script.patch(ME, body)
    assert changed.status_code == 200
    assert await signs_in(app, alice.email, "\u00e9" * 100)
    alice.set_cookie(cookies(changed)["readlog-session"].value)
    body = {"current_password": decomposed, "password": NEW}
    assert (await script.patch(ME, body)).status_code == 200
    assert await signs_in(app, alice.email, NEW)


async def test_change_email_to_what_may_register(script: Script, stranger: Program) -> None:
    """The bound is of what was typed: in ASCII it may be longer."""
    domain = ".".join(["bücher"] * 12) + ".example.com"
    for caller, address in ((stranger, f"a@{domain}"), (script, f"b@{domain}")):
        assert len(address) <= 100 < len(address.encode("idna"))
        if caller is stranger:
            account = {"email": address, "password": PASSWORD}
            assert (await caller.post("/api/v1/users", account)).status_code == 201
        else:
            change = {"current_password": PASSWORD, "email": address}
            assert (await caller.patch(ME, change)).status_code == 200


async def test_change_email_taken(app: Quart, script: Script, bob: Person) -> None:
    """Somebody's address stays theirs, and the password does not change without it."""
    before = await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
    body = {"current_password": PASSWORD, "email": "BOB@example.com", "password": NEW}
    await problem(await script.patch(ME, body), 409, "EMAIL_TAKEN")
    assert (
        await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
        == before
    )


async def test_change_nothing(app: Quart, script: Script, program: Program) -> None:
    before = await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
    response = await script.patch(ME, {"current_password": PASSWORD})
    assert response.status_code == 200
    assert (
        await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
        == before
    )
    assert (await program.get(ME)).status_code == 200


async def test_change_wrong_password(app: Quart, script: Script) -> None:
    """A session alone changes neither: it takes the present password, and guesses are counted."""
    before = await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
    body = {"current_password": "not the right one", "password": NEW}
    for _ in range(10):
        await problem(await script.patch(ME, body), 401, "WRONG_CREDENTIALS")
    refused = await script.patch(ME, body | {"current_password": PASSWORD})
    await problem(refused, 429, "TOO_MANY_REQUESTS")
    assert int(refused.headers["Retry-After"]) >= 1
    assert (
        await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
        == before
    )


WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"current_password": None}, [("current_password", "missing")]),
    ({"current_password": "x" * 129}, [("current_password", "invalid")]),
    ({"email": None}, [("email", "missing")]),
    ({"email": "nobody"}, [("email", "invalid")]),
    ({"password": "short"}, [("password", "too_short")]),
    ({"email": "nobody", "password": "short"}, [("email", "invalid"), ("password", "too_short")]),
    ({"current_password": "e\u0301" * 129}, [("current_password", "invalid")]),
    ({"password": "e\u0301u\u0308o\u0308a\u0308"}, [("password", "too_short")]),
    ({"password": "\ufdfa" * 8}, [("password", "too_long")]),
    ({"password": "\uff50assword123"}, [("password", "common")]),
    ({"password": "\uff41lice@example.com"}, [("password", "guessable")]),
    ({"password": "alice@example.com"}, [("password", "guessable")]),
    ({"email": "new@example.com", "password": "new@example.com"}, [("password", "guessable")]),
    ({"id": 7, "registered_on": "x"}, [("id", "unknown"), ("registered_on", "unknown")]),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_change_wrong(app: Quart, script: Script) -> None:
    """All that is wrong is told at once, and nothing is changed."""
    before = await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
    for change, expected in WRONG:
        response = await script.patch(ME, {"current_password": PASSWORD} | change)
        assert await wrong_fields(response) == expected, change
    assert (
        await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
        == before
    )


@pytest.mark.parametrize("by", ["token", "session"])
async def test_delete(
    app: Quart, program: Program, script: Script, alice: Person, bob: Person, by: str
) -> None:
    """Everything of that person is gone, and nothing of others."""
    bobs = await add_program(app, bob.id)
    for caller, person in ((program, alice), (bobs, bob)):
        assert (await caller.post(BOOKS, A_BOOK, Idempotency_Key="one")).status_code == 201
        async with app.app_context(), db.transaction() as connection:
            row = {"id": person.id, "user_id": person.id, "reason": "too long"}
            await run_on(connection, insert(legacy_books_table).values(row))
    await at_rest(app)
    kept = {
        name: [row for row in await rows(app, *table.c) if _is_of(table, row, bob.id)]
        for name, table in metadata.tables.items()
        if name != rate_limits_table.name
    }
    assert all(len(found) == 1 for found in kept.values()), kept
    response = await (program if by == "token" else script).delete(ME)
    assert response.status_code == 204
    for name, table in metadata.tables.items():
        if name != rate_limits_table.name:
            assert await rows(app, *table.c) == kept[name], name
    await problem(await program.get(BOOKS), 401, "NOT_AUTHENTICATED")
    await problem(await script.get(ME), 401, "NOT_AUTHENTICATED")
    assert (await alice.get("/profile")).status_code == 303
    assert (await bobs.get(BOOKS)).status_code == 200


async def test_delete_frees_the_address(app: Quart, program: Program, stranger: Program) -> None:
    """Who comes back begins anew: nothing of before is there."""
    await program.adds("Emma")
    await program.delete(ME)
    account = {"email": "alice@example.com", "password": PASSWORD}
    assert (await stranger.post("/api/v1/users", account)).status_code == 201
    made = await stranger.post("/api/v1/tokens", account | {"name": "x"})
    again = Program(app, (await made.get_json())["token"])
    assert (await (await again.get(BOOKS)).get_json())["items"] == []
    assert len(await rows(app, access_tokens_table.c.id)) == 1


async def test_delete_gives_no_id_away(
    app: Quart, program: Program, stranger: Program, alice: Person
) -> None:
    """Nothing that was counted or cached for the former account is taken for the next one's."""
    await program.adds("Emma")
    etag = (await program.get(BOOKS)).headers["ETag"]
    assert (await program.delete(ME)).status_code == 204
    account = {"email": "carol@example.com", "password": PASSWORD}
    registered = await (await stranger.post("/api/v1/users", account)).get_json()
    assert registered["id"] > alice.id
    carols = await add_program(app, registered["id"])
    await carols.adds("Persuasion")
    assert (await carols.get(BOOKS, If_None_Match=etag)).status_code == 200


def _is_of(table: Any, row: tuple[Any, ...], user_id: int) -> bool:
    names = [column.name for column in table.c]
    owner = "id" if table.name == users_table.name else "user_id"
    return bool(row[names.index(owner)] == user_id)
