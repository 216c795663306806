"""GET and POST /login"""

import hashlib
from typing import Any

import pytest
from quart import Quart

from service.models import sessions_table
from service.security.passwords import PasswordHasher
from tests.markup import parse
from tests.people import PASSWORD, Browser, Person, add_user, count, rows, text_of

EMAIL = "carol@example.com"
RIGHT = {"email": EMAIL, "password": PASSWORD}
WRONG = {"email": EMAIL, "password": "wrong horse battery"}
DAY = 24 * 3600


@pytest.fixture
async def carol(app: Quart) -> int:
    """Has an account and is signed in nowhere."""
    return await add_user(app, EMAIL)


async def test_login_form(nobody: Browser) -> None:
    page = await parse(await nobody.get("/login"))
    assert page.fields == {"email": "", "password": "", "remember_me": "y"}
    assert page.forms == [("post", "/login")]


async def test_login(app: Quart, carol: int, nobody: Browser) -> None:
    response = await nobody.post("/login", RIGHT)
    assert (response.status_code, response.location) == (303, "/books/")
    page = await nobody.page("/books/")
    assert f"Thank you for logging in, {EMAIL}!" in page
    assert "Your shelf is waiting" in page
    assert [user for _, user in await rows(app, sessions_table.c.id, sessions_table.c.user_id)] == [
        carol
    ]


async def test_login_keeps_only_a_hash_of_the_token(
    app: Quart, carol: int, nobody: Browser
) -> None:
    """Who reads the database cannot sign in with what stands there."""
    await nobody.post("/login", RIGHT)
    token = nobody.cookie() or ""
    assert len(token) >= 22, "128 bits"
    [(token_hash,)] = await rows(app, sessions_table.c.token_hash)
    assert token_hash == hashlib.sha256(token.encode()).digest()


@pytest.mark.parametrize("spelling", ["Carol@Example.com", "CAROL@EXAMPLE.COM"])
async def test_login_spelling(carol: int, nobody: Browser, spelling: str) -> None:
    response = await nobody.post("/login", RIGHT | {"email": spelling})
    assert response.status_code == 303


async def test_login_old_spelling(app: Quart, carol: int, nobody: Browser) -> None:
    """An account that the Flask application kept in another spelling is found as it is typed."""
    await add_user(app, "Carol@Example.com", "!")
    assert (await nobody.post("/login", RIGHT)).status_code == 303
    await nobody.post("/logout")
    response = await nobody.post("/login", RIGHT | {"email": "Carol@Example.com"})
    assert response.status_code == 401


async def test_login_wrong_password(app: Quart, carol: int, nobody: Browser) -> None:
    """401 with the form: the address is kept, the password is not sent back."""
    response = await nobody.post("/login", WRONG)
    assert response.status_code == 401
    assert "Incorrect login credentials." in await text_of(response)
    page = await parse(response)
    assert page.fields == {"email": EMAIL, "password": "", "remember_me": "y"}
    assert nobody.cookie() is None
    assert await count(app, sessions_table) == 0


@pytest.mark.parametrize(
    "email", ["unknown@example.com", "carol", "carol@@example.com", "cärol@example.com", "%", "🦉"]
)
async def test_login_unknown_address(carol: int, nobody: Browser, email: str) -> None:
    """What is no address at all fails like one that has no account."""
    response = await nobody.post("/login", RIGHT | {"email": email})
    assert response.status_code == 401
    assert "Incorrect login credentials." in await text_of(response)


@pytest.mark.parametrize("field", ["email", "password"])
async def test_login_wrong_address_of_another(
    app: Quart, carol: int, nobody: Browser, field: str
) -> None:
    """Somebody's password does not open another's account, nor the reverse."""
    daves = {"email": "dave@example.com", "password": "battery staple horse"}
    await add_user(app, daves["email"], await PasswordHasher().hash(daves["password"]))
    response = await nobody.post("/login", RIGHT | {field: daves[field]})
    assert response.status_code == 401
    assert (await nobody.post("/login", daves)).status_code == 303, "dave's own are right"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", ""),
        ("email", "c" * 255),
        ("email", "carol\0@example.com"),
        ("password", ""),
        ("password", "p" * 129),
        ("password", "correct\0horse"),
    ],
)
async def test_login_cannot_be(
    app: Quart, carol: int, nobody: Browser, field: str, value: str
) -> None:
    """What no account can have is told beside its field, before any hash is computed."""
    response = await nobody.post("/login", RIGHT | {field: value})
    assert response.status_code == 422
    page = await parse(response)
    assert f'id="{field}-error"' in page.source
    assert page.fields["password"] == ""
    assert await count(app, sessions_table) == 0


async def test_login_signed_in(app: Quart, alice: Person) -> None:
    response = await alice.get("/login")
    assert (response.status_code, response.location) == (303, "/profile")
    assert "Already logged in!" in await alice.page("/profile")


async def test_login_again(app: Quart, alice: Person, carol: int) -> None:
    """Signing in on top of a session replaces it: the old token is worth nothing any more."""
    before = alice.cookie()
    assert (await alice.post("/login", RIGHT)).status_code == 303
    assert alice.cookie() != before
    assert EMAIL in await alice.page("/profile")
    assert [user for _, user in await rows(app, sessions_table.c.id, sessions_table.c.user_id)] == [
        carol
    ]


@pytest.mark.parametrize(
    ("form", "max_age"), [({}, None), ({"remember_me": ""}, None), ({"remember_me": "y"}, 30 * DAY)]
)
async def test_login_remember_me(
    app: Quart, carol: int, nobody: Browser, form: dict[str, str], max_age: int | None
) -> None:
    """Without it the browser forgets at its end; the server, in both cases, after a fixed time."""
    response = await nobody.post("/login", RIGHT | form)
    [cookie] = [
        text
        for text in response.headers.getlist("Set-Cookie")
        if text.startswith("readlog-session")
    ]
    assert ("Max-Age=2592000" in cookie) == (max_age is not None)
    [(created_at, expires_at)] = await rows(
        app, sessions_table.c.created_at, sessions_table.c.expires_at
    )
    assert (expires_at - created_at).total_seconds() == (max_age or DAY)


async def test_login_remembers_the_tick(carol: int, nobody: Browser) -> None:
    """A person who mistyped need not tick again."""
    source = (await parse(await nobody.post("/login", WRONG | {"remember_me": "y"}))).source
    assert 'value="y" checked' in source
    assert 'value="y" checked' not in (await parse(await nobody.post("/login", WRONG))).source


async def test_login_next(carol: int, nobody: Browser) -> None:
    """Who was sent to sign in comes to where they wanted to be, also after a mistake."""
    response = await nobody.get("/books/?after=7")
    assert response.location == "/login?next=/books/%3Fafter%3D7"
    page = await parse(await nobody.get(response.location))
    assert page.fields["next"] == "/books/?after=7"
    page = await parse(await nobody.post("/login", WRONG | {"next": page.fields["next"]}))
    assert page.fields["next"] == "/books/?after=7"
    response = await nobody.post("/login", RIGHT | {"next": page.fields["next"]})
    assert response.location == "/books/?after=7"


async def test_login_next_in_the_address(carol: int, nobody: Browser) -> None:
    """A script that posts to the address it was sent to gets there as well."""
    response = await nobody.post("/login?next=/profile", RIGHT)
    assert response.location == "/profile"


async def test_login_asks_to(nobody: Browser) -> None:
    await nobody.get("/profile")
    assert "Please log in to access this page." in await nobody.page("/login")


async def test_login_elsewhere_keeps_both(app: Quart, carol: int, new_browser: Any) -> None:
    """Signing in on a second device does not end the first."""
    desk, phone = new_browser(), new_browser()
    await desk.post("/login", RIGHT)
    await phone.post("/login", RIGHT)
    assert desk.cookie() != phone.cookie()
    for browser in (desk, phone):
        assert (await browser.get("/profile")).status_code == 200


async def test_login_old_address_in_any_case(app: Quart, nobody: Browser) -> None:
    """One that could not register today is in lower case since the migration, and is found."""
    await add_user(app, "bob@intranet.local")
    form = {"email": "Bob@Intranet.local", "password": PASSWORD}
    assert (await nobody.post("/login", form)).status_code == 303


async def test_login_ends_the_oldest_session(
    app: Quart, carol: int, alice: Person, new_browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that signs in again and again does not fill the database, nor ends another's."""
    monkeypatch.setattr("service.auth.sessions.MAX_SESSIONS", 3)
    browsers = [new_browser() for _ in range(5)]
    for browser in browsers:
        await browser.post("/login", RIGHT)
    answers = [(await browser.get("/profile")).status_code for browser in (*browsers, alice)]
    assert answers == [303, 303, 200, 200, 200, 200]
    assert await count(app, sessions_table) == 4
