"""Calls that a browser makes for another site change nothing (C6)."""

import json

import pytest
from quart import Quart

from service.models import metadata
from tests.api.programs import A_BOOK, BOOKS, Program, Script, problem
from tests.api.test_scopes import EXPECTED
from tests.people import PASSWORD, Person, rows

UNSAFE = [name.partition(" ")[::2] for name in EXPECTED if not name.startswith("GET ")]
OTHER_SITES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
]


async def everything(app: Quart) -> list[object]:
    return [await rows(app, *table.c) for table in metadata.tables.values()]


async def test_from_another_site(
    app: Quart, program: Program, script: Script, stranger: Program
) -> None:
    """No unsafe call that says so does anything: with a token, with a cookie or with neither."""
    before = await everything(app)
    for method, path in UNSAFE:
        address = f"/api/v1{path.replace('<id>', '1')}"
        for headers in OTHER_SITES:
            for caller in (program, script, stranger):
                response = await caller.call(method, address, {}, headers)
                await problem(response, 403, "CROSS_SITE")
                assert "Access-Control-Allow-Origin" not in response.headers
    assert await everything(app) == before


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}],
    ids=str,
)
async def test_from_a_program_or_a_page_of_ours(
    program: Program, stranger: Program, headers: dict[str, str]
) -> None:
    """Without a cookie no Origin is needed: not with a token, and not for registering either."""
    assert (await program.call("POST", BOOKS, A_BOOK, headers)).status_code == 201
    account = {"email": "carol@example.com", "password": PASSWORD}
    assert (await stranger.call("POST", "/api/v1/users", account, headers)).status_code == 201
    wish = account | {"name": "a program"}
    assert (await stranger.call("POST", "/api/v1/tokens", wish, headers)).status_code == 201


async def test_cookie_without_origin(app: Quart, program: Program, alice: Person) -> None:
    """A call that a cookie signs in must prove where it comes from.

    With a token, which no browser adds by itself, the cookie means nothing.
    """
    cookie = {"Cookie": f"readlog-session={alice.cookie()}"}
    await problem(await Program(app).call("POST", BOOKS, A_BOOK, cookie), 403, "CROSS_SITE")
    wrong = cookie | {"Authorization": "Bearer rl_wrong"}
    await problem(await Program(app).call("POST", BOOKS, A_BOOK, wrong), 401, "NOT_AUTHENTICATED")
    assert (await Program(app).call("GET", BOOKS, None, cookie)).status_code == 200
    assert (await program.call("POST", BOOKS, A_BOOK, cookie)).status_code == 201
    elsewhere = cookie | {"Origin": "https://elsewhere.example"}
    await problem(await program.call("POST", BOOKS, A_BOOK, elsewhere), 403, "CROSS_SITE")


async def test_what_a_form_can_send(script: Script) -> None:
    """JSON in the clothes of a form is not read (S42)."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "", None):
        headers = {} if kind is None else {"Content-Type": kind}
        for path in (BOOKS, "/api/v1/users", "/api/v1/tokens"):
            response = await script.call("POST", path, headers=headers, data=json.dumps(A_BOOK))
            await problem(response, 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_preflight(stranger: Program) -> None:
    """Scripts of other sites are given no leave to read or to send."""
    headers = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    response = await stranger.call("OPTIONS", BOOKS, headers=headers)
    assert not [name for name, _ in response.headers if name.lower().startswith("access-control")]
