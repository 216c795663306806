"""What a session is worth, and for how long."""

from datetime import timedelta
from http.cookies import Morsel, SimpleCookie
from typing import Any

import pytest
from quart import Quart, Response
from sqlalchemy import delete, update

from service.models import DatabaseNow, sessions_table, users_table
from tests.jobs import clean_up
from tests.people import PASSWORD, Browser, Person, add_person, add_user, count, rows
from tests.production import production, secure_browser
from tests.statements import run

EMAIL = "carol@example.com"
RIGHT = {"email": EMAIL, "password": PASSWORD}


def cookies(response: Response) -> dict[str, Morsel[str]]:
    """The cookies that an answer sets, by name."""
    parsed: SimpleCookie = SimpleCookie()
    for text in response.headers.getlist("Set-Cookie"):
        assert len(text) < 4096
        parsed.load(text)
    return dict(parsed)


async def expire(app: Quart, ago: timedelta) -> None:
    await run(app, update(sessions_table).values(expires_at=DatabaseNow(-ago)))


@pytest.mark.parametrize("signed_in_as", ["nobody", "herself", "bob"])
async def test_session_is_new_at_login(
    app: Quart, nobody: Browser, bob: Person, signed_in_as: str
) -> None:
    """A token that was in the browser before, planted or real, is neither adopted nor kept."""
    carol = await add_user(app, EMAIL)
    before = {"nobody": "planted-token", "herself": None, "bob": bob.cookie()}[signed_in_as]
    if signed_in_as == "herself":
        await nobody.post("/login", RIGHT)
        before = nobody.cookie()
        await expire(app, timedelta(seconds=1))
    elif signed_in_as == "bob":
        await expire(app, timedelta(seconds=1))
    assert before is not None
    nobody.set_cookie(before)
    await nobody.post("/login", RIGHT)
    assert nobody.cookie() not in (None, before)
    sessions = await rows(app, sessions_table.c.id, sessions_table.c.user_id)
    assert [user for _, user in sessions if user == carol] == [carol]
    stale = Browser(app)
    stale.set_cookie(before)
    assert (await stale.get("/profile")).status_code == 303


@pytest.mark.parametrize(
    "token", ["", "x", "0" * 43, "🦉", "a\0b", '"quoted"', "a" * 4000, "'; DROP TABLE sessions; --"]
)
async def test_session_unknown_token(app: Quart, nobody: Browser, token: str) -> None:
    """Any token that the server did not make is nobody's."""
    nobody.set_cookie(token)
    assert (await nobody.get("/profile")).status_code == 303
    assert (await nobody.get("/")).status_code == 200


async def test_session_hash_is_no_token(app: Quart, alice: Person, nobody: Browser) -> None:
    [(token_hash,)] = await rows(app, sessions_table.c.token_hash)
    nobody.set_cookie(token_hash.hex())
    assert (await nobody.get("/profile")).status_code == 303


async def test_session_expires_on_the_server(app: Quart, alice: Person) -> None:
    assert (await alice.get("/profile")).status_code == 200
    await expire(app, timedelta(seconds=1))
    assert (await alice.get("/profile")).status_code == 303


async def test_session_of_a_deleted_account(app: Quart, alice: Person, bob: Person) -> None:
    """An account that is gone takes its sessions and books along; the others stay."""
    await alice.has_books("Middlemarch")
    await run(app, delete(users_table).where(users_table.c.id == alice.id))
    response = await alice.get("/books/")
    assert (response.status_code, response.location) == (303, "/login?next=/books/")
    assert await count(app, sessions_table) == 1
    assert (await bob.get("/books/")).status_code == 200


async def test_sessions_that_ended_are_removed(app: Quart, alice: Person) -> None:
    """Housekeeping deletes what nobody can use any more, and nothing else."""
    await expire(app, timedelta(seconds=1))
    bob = await add_person(app, "bob@example.com")
    await clean_up(app)
    assert [user for _, user in await rows(app, sessions_table.c.id, sessions_table.c.user_id)] == [
        bob.id
    ]


async def test_cookies_in_development(app: Quart, nobody: Browser) -> None:
    """By HTTP the cookies have other names, and scripts and other sites still do not get them."""
    await add_user(app, EMAIL)
    found = cookies(await nobody.post("/login", RIGHT))
    assert set(found) == {"readlog-session", "readlog-flash"}
    for morsel in found.values():
        assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "", "Lax")
        assert morsel["httponly"]
        assert not morsel["secure"]


class TestInProduction:
    """By HTTPS."""

    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        return production(database_url)

    async def test_cookies(self, app: Quart) -> None:
        """Cookies are the host's alone, by HTTPS alone, and no script's."""
        await add_user(app, EMAIL)
        browser = secure_browser(app)
        found = cookies(await browser.post("/login", RIGHT | {"remember_me": "y"}))
        assert set(found) == {"__Host-session", "__Host-flash"}
        for morsel in found.values():
            assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "", "Lax")
            assert morsel["httponly"]
            assert morsel["secure"]
        assert "carol@example.com" in await browser.page("/profile")

    async def test_cookie_is_forgotten(self, app: Quart) -> None:
        """Logging out removes the cookie under its own terms, or browsers would keep it."""
        await add_user(app, EMAIL)
        browser = secure_browser(app)
        await browser.post("/login", RIGHT)
        morsel = cookies(await browser.post("/logout"))["__Host-session"]
        assert (morsel.value, morsel["max-age"], morsel["path"]) == ("", "0", "/")
        assert morsel["secure"]
        assert (await browser.get("/profile")).status_code == 303

    async def test_development_cookie_is_worth_nothing(self, app: Quart) -> None:
        """The name without the prefix could have been set by a neighbouring host."""
        person: Any = await add_person(app, "carol@example.com")
        browser = secure_browser(app)
        token = person.cookie("readlog-session")
        browser.set_cookie(token, "readlog-session")
        assert (await browser.get("/profile")).status_code == 303
        browser.set_cookie(token)
        assert (await browser.get("/profile")).status_code == 200
