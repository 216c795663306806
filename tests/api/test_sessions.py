"""GET /api/v1/sessions and DELETE /api/v1/sessions/{id}"""

from datetime import timedelta
from typing import Any

from quart import Quart
from sqlalchemy import update

from service.models import DatabaseNow, sessions_table
from tests.api.programs import Program, Script, problem
from tests.people import PASSWORD, Browser, Person, rows
from tests.statements import run

SESSIONS = "/api/v1/sessions"


async def items(caller: Program) -> list[dict[str, Any]]:
    response = await caller.get(SESSIONS)
    assert response.status_code == 200
    found: list[dict[str, Any]] = (await response.get_json())["items"]
    return found


async def sign_in(app: Quart, email: str) -> Browser:
    browser = Browser(app)
    await browser.post("/login", {"email": email, "password": PASSWORD})
    return browser


async def test_list(app: Quart, script: Script, program: Program, bob: Person) -> None:
    """One's own, the newest first; the one that calls is marked, and a token is none."""
    await sign_in(app, "alice@example.com")
    found = await items(script)
    assert [list(it) for it in found] == [["id", "created_at", "expires_at", "current"]] * 2
    assert [it["current"] for it in found] == [False, True]
    assert found[0]["id"] > found[1]["id"]
    assert found[0]["expires_at"].endswith("Z")
    assert [it | {"current": False} for it in await items(program)] == [
        it | {"current": False} for it in found
    ]
    assert not any(it["current"] for it in await items(program))


async def test_list_leaves_out_what_ended(app: Quart, program: Program, alice: Person) -> None:
    ended = DatabaseNow(timedelta(seconds=-1))
    await run(app, update(sessions_table).values(expires_at=ended))
    assert await items(program) == []


async def test_end(app: Quart, script: Script, program: Program, alice: Person) -> None:
    """That browser is signed out from its next request on, and no other."""
    other = await sign_in(app, "alice@example.com")
    session_id = (await items(script))[0]["id"]
    assert (await other.get("/profile")).status_code == 200
    assert (await script.delete(f"{SESSIONS}/{session_id}")).status_code == 204
    assert (await other.get("/profile")).status_code == 303
    assert (await alice.get("/profile")).status_code == 200
    await problem(await script.delete(f"{SESSIONS}/{session_id}"), 404, "SESSION_NOT_FOUND")
    [own] = await items(program)
    assert (await program.delete(f"{SESSIONS}/{own['id']}")).status_code == 204
    await problem(await script.get(SESSIONS), 401, "NOT_AUTHENTICATED")
    assert (await program.get(SESSIONS)).status_code == 200


async def test_end_again(app: Quart, script: Script) -> None:
    """Sent again after a lost answer, it does not meet a browser that was signed in since."""
    await sign_in(app, "alice@example.com")
    path = f"{SESSIONS}/{(await items(script))[0]['id']}"
    assert (await script.delete(path)).status_code == 204
    new = await sign_in(app, "alice@example.com")
    await problem(await script.delete(path), 404, "SESSION_NOT_FOUND")
    assert (await new.get("/profile")).status_code == 200


async def test_end_of_another(app: Quart, program: Program, bob: Person) -> None:
    """Another's session is told from none by nothing."""
    [(session_id,)] = [
        row[:1]
        for row in await rows(app, sessions_table.c.id, sessions_table.c.user_id)
        if row[1] == bob.id
    ]
    answers = []
    for target in (session_id, 4711):
        response = await program.delete(f"{SESSIONS}/{target}", X_Request_ID="the-same-request")
        await problem(response, 404, "SESSION_NOT_FOUND")
        answers.append(await response.get_data())
    assert answers[0] == answers[1]
    assert (await bob.get("/profile")).status_code == 200
