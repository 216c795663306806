"""GET and POST /register"""

import asyncio
from typing import Any

import pytest
from quart import Quart

from service.models import sessions_table, users_table
from tests.markup import parse
from tests.people import PASSWORD, Browser, Person, add_user, count, rows, text_of

EMAIL = "carol@example.com"


def a_form(**changes: str) -> dict[str, str]:
    return {"email": EMAIL, "password": PASSWORD, "confirm": PASSWORD} | changes


async def test_register_form(nobody: Browser) -> None:
    page = await parse(await nobody.get("/register"))
    assert page.fields.pop("form")
    assert page.fields == {"email": "", "password": "", "confirm": ""}
    assert page.forms == [("post", "/register")]


async def test_register(app: Quart, nobody: Browser) -> None:
    """A new account is signed in and led to its empty list."""
    response = await nobody.post("/register", a_form())
    assert (response.status_code, response.location) == (303, "/books/")
    page = await nobody.page("/books/")
    assert f"Thank you for registering, {EMAIL}!" in page
    assert "Logout" in page
    assert [email for _, email in await rows(app, users_table.c.id, users_table.c.email)] == [EMAIL]
    assert await count(app, sessions_table) == 1


async def test_register_keeps_only_a_hash(app: Quart, nobody: Browser) -> None:
    """The database holds argon2id of OWASP's cost, and no token that a browser could use."""
    await nobody.post("/register", a_form())
    [(_, hashed)] = await rows(app, users_table.c.id, users_table.c.password_hashed)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    [(token_hash,)] = await rows(app, sessions_table.c.token_hash)
    assert len(token_hash) == 32
    assert token_hash != (nobody.cookie() or "").encode()


async def test_register_salts(app: Quart, new_browser: Any) -> None:
    """Two people with the same password have nothing in common in the database."""
    for email in ("dave@example.com", "erin@example.com"):
        await new_browser().post("/register", a_form(email=email))
    [first, second] = [
        hashed for _, hashed in await rows(app, users_table.c.id, users_table.c.password_hashed)
    ]
    assert first.split("$")[:4] == second.split("$")[:4]
    assert first.split("$")[4] != second.split("$")[4]
    assert len(first.split("$")[4]) >= 22, "16 bytes in base64"


async def test_register_then_login(app: Quart, nobody: Browser, new_browser: Any) -> None:
    await nobody.post("/register", a_form())
    elsewhere = new_browser()
    response = await elsewhere.post("/login", {"email": EMAIL, "password": PASSWORD})
    assert response.location == "/books/"


@pytest.mark.parametrize("method", ["get", "post"])
async def test_register_signed_in(app: Quart, alice: Person, method: str) -> None:
    """Somebody who is signed in makes no second account by mistake."""
    response = await (
        alice.get("/register") if method == "get" else alice.post("/register", a_form())
    )
    assert (response.status_code, response.location) == (303, "/profile")
    assert "Already logged in!" in await alice.page("/profile")
    assert await count(app, users_table) == 1


WRONG = [
    ("email", "", "Enter an e-mail address"),
    ("email", "a@b.c", "Enter an e-mail address"),
    ("email", "nobody", "Enter an e-mail address"),
    ("email", "two@@example.com", "Enter an e-mail address"),
    ("email", "x" * 89 + "@example.com", "Enter an e-mail address"),
    ("email", "car\0ol@example.com", "cannot be stored"),
    ("password", "", "Enter a password"),
    ("password", "7 chars", "at least 8 characters"),
    ("password", "p" * 100 + "q" * 29, "at most 128 characters"),
    ("password", "correct\0horse", "cannot be stored"),
    ("password", "iloveyou1", "guessed first"),
    ("password", EMAIL, "too much like your e-mail"),
    ("confirm", "", "Enter the same password again"),
    ("confirm", PASSWORD + " ", "Enter the same password again"),
    ("confirm", PASSWORD.upper(), "Enter the same password again"),
]


@pytest.mark.parametrize(("field", "value", "message"), WRONG)
async def test_register_wrong(
    app: Quart, nobody: Browser, field: str, value: str, message: str
) -> None:
    """Each wrong field is told beside it, the address is kept and no password comes back."""
    form = a_form(**{field: value})
    if field == "password":
        form["confirm"] = value
    response = await nobody.post("/register", form)
    assert response.status_code == 422
    page = await parse(response)
    assert f'id="{field}-error"' in page.source
    assert message in await text_of(response)
    assert page.fields.pop("form")
    assert page.fields == {"email": form["email"], "password": "", "confirm": ""}
    assert await count(app, users_table) == 0
    assert nobody.cookie() is None


async def test_register_all_wrong_at_once(nobody: Browser) -> None:
    """Nobody is told one mistake after the other."""
    form = {"email": "carol@@example.com", "password": "short", "confirm": "other"}
    source = (await parse(await nobody.post("/register", form))).source
    for field in ("email", "password", "confirm"):
        assert f'id="{field}-error"' in source


async def test_register_empty_form(app: Quart, nobody: Browser) -> None:
    response = await nobody.post("/register")
    assert response.status_code == 422
    assert await count(app, users_table) == 0


@pytest.mark.parametrize(
    "spelling", [EMAIL, "Carol@Example.COM", "CAROL@EXAMPLE.COM", "carol@EXAMPLE.com"]
)
async def test_register_taken(app: Quart, nobody: Browser, spelling: str) -> None:
    """One address has one account, however it is spelled; without mail that is told plainly."""
    await add_user(app, EMAIL)
    response = await nobody.post("/register", a_form(email=spelling))
    assert response.status_code == 422
    page = await parse(response)
    assert 'id="email-error"' in page.source
    assert "There is an account with this e-mail address already." in await text_of(response)
    assert page.fields["email"] == spelling
    assert await count(app, users_table) == 1
    assert nobody.cookie() is None


async def test_register_keeps_canonical_address(app: Quart, nobody: Browser) -> None:
    await nobody.post("/register", a_form(email="Carol@BÜCHER.example.com"))
    assert [email for _, email in await rows(app, users_table.c.id, users_table.c.email)] == [
        "carol@xn--bcher-kva.example.com"
    ]


async def test_register_at_the_same_moment(app: Quart, new_browser: Any) -> None:
    """Of many who register one address together, one gets the account, the others the message."""
    responses = await asyncio.gather(*(new_browser().post("/register", a_form()) for _ in range(6)))
    assert sorted(response.status_code for response in responses) == [303, *[422] * 5]
    assert (await count(app, users_table), await count(app, sessions_table)) == (1, 1)


async def test_register_unknown_fields(app: Quart, nobody: Browser) -> None:
    """A form cannot set what it does not ask for."""
    extra = {
        "id": "4711",
        "user_id": "4711",
        "is_admin": "1",
        "password_hashed": "!",
        "registered_on": "2000-01-01",
    }
    response = await nobody.post("/register", a_form(**extra))
    assert response.status_code == 303
    [(user_id, hashed, registered_on)] = await rows(
        app, users_table.c.id, users_table.c.password_hashed, users_table.c.registered_on
    )
    assert user_id != 4711
    assert hashed.startswith("$argon2id$")
    assert registered_on.year > 2000


async def test_register_ends_other_session(app: Quart, nobody: Browser) -> None:
    """A token that somebody planted in the browser does not become the new account's."""
    nobody.set_cookie("planted")
    await nobody.post("/register", a_form())
    assert nobody.cookie() not in (None, "planted")
