"""GET and POST /profile/password, and the address at which password managers look for it"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from quart import Quart, Response
from sqlalchemy import update

from service.limits.rules import CONFIRMATIONS_PER_SESSION
from service.models import access_tokens_table, sessions_table, users_table
from service.security.passwords import PasswordHasher
from service.users import accounts
from tests.api.programs import BOOKS, Program, add_program
from tests.api.test_meanwhile import Gate
from tests.markup import parse
from tests.people import PASSWORD, Browser, Person, count, rows, text_of
from tests.statements import run
from tests.users.test_sessions import cookies

PATH = "/profile/password"
NEW = "another horse battery"
WRONG_PASSWORD = "This is not the password of your account."
Send = Callable[[], Awaitable[Response]]


def a_form(**changes: str) -> dict[str, str]:
    return {"current_password": PASSWORD, "password": NEW, "confirm": NEW} | changes


async def accounts_of(app: Quart) -> list[tuple[Any, ...]]:
    """Everybody's address and hash."""
    return await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)


async def signs_in(app: Quart, email: str, password: str) -> bool:
    login = {"email": email, "password": password}
    return (await Browser(app).post("/login", login)).status_code == 303


async def test_form(alice: Person) -> None:
    """It says what ends, and tells password managers whose passwords these are."""
    response = await alice.get(PATH)
    page = await parse(response)
    assert page.forms == [("post", PATH)]
    assert page.fields == {"current_password": "", "password": "", "confirm": ""}
    assert 'autocomplete="username" value="alice@example.com" readonly hidden' in page.source
    assert page.source.count('autocomplete="current-password"') == 1
    assert page.source.count('autocomplete="new-password"') == 2
    told = await text_of(response)
    assert "All your other browsers are signed out, and every access token ends" in told
    assert "From 8 to 128 characters." in told
    assert {PATH, "/profile/email"} <= set((await parse(await alice.get("/profile"))).links)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_well_known_address(nobody: Browser, alice: Person) -> None:
    for browser in (nobody, alice):
        response = await browser.get("/.well-known/change-password")
        assert (response.status_code, response.location) == (303, PATH)
    assert (await nobody.get(PATH)).location == f"/login?next={PATH}"


async def test_changed(app: Quart, alice: Person, bob: Person) -> None:
    """Other browsers and all tokens are refused; this browser goes on with another cookie."""
    elsewhere, stale = Browser(app), Browser(app)
    await elsewhere.post("/login", {"email": alice.email, "password": PASSWORD})
    program, bobs = await add_program(app, alice.id), await add_program(app, bob.id)
    before = alice.cookie() or ""
    stale.set_cookie(before)
    assert (await elsewhere.get("/profile")).status_code == 200

    response = await alice.post(PATH, a_form())
    assert (response.status_code, response.location) == (303, "/profile")
    assert alice.cookie() not in (None, before)
    told = "Your password was changed. Other browsers are signed out, and your access tokens have"
    assert told in await alice.page("/profile")
    for browser in (elsewhere, stale):
        assert (await browser.get("/profile")).status_code == 303
    assert (await program.get(BOOKS)).status_code == 401
    assert await count(app, access_tokens_table) == 1
    assert (await bob.get("/profile")).status_code == 200
    assert (await bobs.get(BOOKS)).status_code == 200
    assert not await signs_in(app, alice.email, PASSWORD)
    assert await signs_in(app, alice.email, NEW)
    assert await signs_in(app, bob.email, PASSWORD)


@pytest.mark.parametrize("remembered", [False, True])
async def test_session_lasts_as_long(app: Quart, alice: Person, remembered: bool) -> None:
    """The new cookie ends when the old one would have ended."""
    [(begin,)] = await rows(app, sessions_table.c.created_at)
    lifetime = timedelta(days=30) if remembered else timedelta(hours=24)
    await run(app, update(sessions_table).values(expires_at=begin + lifetime))
    cookie = cookies(await alice.post(PATH, a_form()))["readlog-session"]
    assert (cookie["max-age"] != "") == remembered
    assert await rows(app, sessions_table.c.expires_at) == [(begin + lifetime,)]


WRONG = [
    ("current_password", "", "Enter your present password, of at most 128 characters."),
    ("current_password", "p" * 129, "Enter your present password, of at most 128 characters."),
    ("current_password", "p\0", "cannot be stored"),
    ("password", "", "at least 8 characters"),
    ("password", "7 chars", "at least 8 characters"),
    ("password", "p" * 100 + "q" * 29, "at most 128 characters"),
    ("password", "correct\0horse", "cannot be stored"),
    ("password", "iloveyou1", "guessed first"),
    ("password", "alice@example.com", "too much like your e-mail"),
    ("confirm", "", "Enter the same password again"),
    ("confirm", NEW.upper(), "Enter the same password again"),
]


@pytest.mark.parametrize(("field", "value", "message"), WRONG)
async def test_wrong(app: Quart, alice: Person, field: str, value: str, message: str) -> None:
    """A message stands beside the field, no password comes back, and nothing is changed."""
    before = await accounts_of(app)
    form = a_form(**{field: value})
    if field == "password":
        form["confirm"] = value
    response = await alice.post(PATH, form)
    assert response.status_code == 422
    assert "Set-Cookie" not in response.headers
    page = await parse(response)
    assert page.source.count(f'href="#{field}"') == 1
    assert f'id="{field}-error"' in page.source
    assert set(page.fields.values()) == {""}
    told = await text_of(response)
    assert message in told
    assert "The password was not changed" in told
    assert await accounts_of(app) == before


async def test_all_wrong_at_once(alice: Person) -> None:
    """Nobody is told one mistake after the other."""
    form = {"current_password": "", "password": "short", "confirm": "other"}
    source = (await parse(await alice.post(PATH, form))).source
    for field in form:
        assert source.count(f'id="{field}-error"') == 1


async def test_wrong_password(app: Quart, alice: Person, bob: Person, holds: list[float]) -> None:
    """401 with the form, as late as every wrong password. A session alone changes nothing."""
    before = await accounts_of(app)
    response = await alice.post(PATH, a_form(current_password="wrong horse battery"))
    assert response.status_code == 401
    page = await parse(response)
    assert 'id="current_password-error"' in page.source
    assert set(page.fields.values()) == {""}
    assert WRONG_PASSWORD in await text_of(response)
    assert len(holds) == 1
    assert await accounts_of(app) == before
    assert await count(app, sessions_table) == 2


async def test_same_password_in_another_form(app: Quart, alice: Person) -> None:
    """Composed and decomposed accents are one password, here as when registering."""
    form = a_form(password="\u00e9" * 10, confirm="e\u0301" * 10)
    assert (await alice.post(PATH, form)).status_code == 303
    assert await signs_in(app, alice.email, "e\u0301" * 10)


async def test_sent_again(app: Quart, alice: Person) -> None:
    """The same form once more finds another password. It says so, and changes nothing."""
    await alice.post(PATH, a_form())
    response = await alice.post(PATH, a_form())
    assert response.status_code == 401
    told = f"{WRONG_PASSWORD} If you have just changed it, enter the new one."
    assert told in await text_of(response)
    assert (await alice.get("/profile")).status_code == 200
    assert await signs_in(app, alice.email, NEW)


async def test_sent_at_once(app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """One half of a double click changes the password, the other one leads to the sign-in page.

    The lock of the account keeps the other half away from the change.
    """
    both, change = asyncio.Barrier(2), accounts.change_password

    async def change_together(*args: Any, **options: Any) -> Any:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await both.wait()
        return await change(*args, **options)

    monkeypatch.setattr(accounts, "change_password", change_together)
    other = Browser(app)
    other.set_cookie(alice.cookie() or "")
    answers = await asyncio.gather(*(each.post(PATH, a_form()) for each in (alice, other)))
    assert [answer.status_code for answer in answers] == [303, 303]
    done, asked = sorted((answer.location for answer in answers), key="/profile".__ne__)
    assert done == "/profile"
    assert asked.startswith("/login?next=/")
    assert await count(app, sessions_table) == 1
    assert await signs_in(app, alice.email, NEW)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_no_connection_while_hashing(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither password is hashed while a connection waits for it, which others would lack."""
    pool, lent = app.extensions["database"].pool, []
    for name in ("verify", "hash"):
        original = getattr(PasswordHasher, name)

        async def watched(*args: Any, original: Any = original) -> Any:
            lent.append(pool.queue.in_use)
            return await original(*args)

        monkeypatch.setattr(PasswordHasher, name, watched)
    assert (await alice.post(PATH, a_form())).status_code == 303
    assert lent == [0, 0]


async def test_from_another_site(app: Quart, alice: Person) -> None:
    before = await accounts_of(app)
    response = await alice.post(PATH, a_form(), headers={"Origin": "https://other.example"})
    assert response.status_code == 403
    assert await accounts_of(app) == before


class TestMeanwhile:
    """Events between the check of the present password and the change."""

    @pytest.mark.parametrize("path", [PATH, "/profile/email"])
    @pytest.mark.parametrize("event", ["signed out", "deleted", "changed"])
    async def test_session_ends(
        self, app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch, path: str, event: str
    ) -> None:
        """The person is asked to sign in, and the change is not made."""
        program, elsewhere = await add_program(app, alice.id), Browser(app)
        await elsewhere.post("/login", {"email": alice.email, "password": PASSWORD})
        [(session_id,), _] = await rows(app, sessions_table.c.id)
        events: dict[str, Send] = {
            "signed out": lambda: program.delete(f"/api/v1/sessions/{session_id}"),
            "deleted": lambda: program.delete("/api/v1/me"),
            "changed": lambda: elsewhere.post(
                PATH, a_form(password="third horse battery", confirm="third horse battery")
            ),
        }
        form = a_form(email="carol@example.com")
        gate = Gate(monkeypatch)
        response = await gate.answered(alice.post(path, form), events[event])
        assert (response.status_code, response.location) == (303, "/login?next=/profile")
        told = await alice.page("/login")
        assert (
            "This browser was signed out meanwhile. If you have just changed your password" in told
        )
        assert not await signs_in(app, alice.email, NEW)
        assert not await signs_in(app, "carol@example.com", PASSWORD)
        expected = {"signed out": PASSWORD, "changed": "third horse battery"}
        if event in expected:
            assert await signs_in(app, alice.email, expected[event])


class TestLimits:
    """Guesses are counted for the session, over every form that asks for the password."""

    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        return {"CONFIG_TYPE": "testing", "DATABASE_URL": database_url, "RATE_LIMITS": "on"}

    async def test_wrong_passwords(self, app: Quart, alice: Person, bob: Person) -> None:
        before = await accounts_of(app)
        form = a_form(current_password="wrong horse battery", email="carol@example.com")
        paths = [PATH, "/profile/email"] * CONFIRMATIONS_PER_SESSION.count
        for path in paths[: CONFIRMATIONS_PER_SESSION.count]:
            assert (await alice.post(path, form)).status_code == 401
        for path in (PATH, "/profile/email"):
            refused = await alice.post(path, form | {"current_password": PASSWORD})
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) >= 1
        assert await accounts_of(app) == before
        assert await signs_in(app, alice.email, PASSWORD)
        assert (await bob.post(PATH, a_form())).status_code == 303

    async def test_stranger_uses_nothing_up(self, app: Quart, alice: Person) -> None:
        """Failed sign-ins of a stranger do not keep the owner from changing the password."""
        guess = {"email": alice.email, "password": "wrong horse battery"}
        stranger = Program(app)
        while (await stranger.post("/api/v1/tokens", guess | {"name": "x"})).status_code == 401:
            pass
        assert (await alice.post(PATH, a_form())).status_code == 303

    async def test_refused_forms_do_not_count(self, alice: Person) -> None:
        """A form with a wrong new password is refused before the present one is checked."""
        for _ in range(CONFIRMATIONS_PER_SESSION.count + 1):
            assert (await alice.post(PATH, a_form(confirm="other"))).status_code == 422
        assert (await alice.post(PATH, a_form())).status_code == 303
