"""GET and POST /profile/email"""

import asyncio
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import update

from service.limits.rules import EMAIL_CHANGES_PER_USER
from service.models import users_table
from service.users import accounts
from tests.api.programs import BOOKS, Script, add_program
from tests.markup import parse
from tests.people import PASSWORD, Browser, Person, text_of
from tests.statements import run
from tests.users.test_change_password import WRONG_PASSWORD, accounts_of, signs_in

PATH = "/profile/email"
NEW = "carol@example.com"


def a_form(**changes: str) -> dict[str, str]:
    return {"email": NEW, "current_password": PASSWORD} | changes


async def test_form(alice: Person) -> None:
    """It shows the present address, and says what changes and what does not."""
    response = await alice.get(PATH)
    page = await parse(response)
    assert page.forms == [("post", PATH)]
    assert page.fields == {"email": "", "current_password": ""}
    assert 'autocomplete="username" value="alice@example.com" readonly hidden' in page.source
    told = await text_of(response)
    assert "Present address alice@example.com" in told
    assert "The new address counts at once, and from then on you sign in with it." in told
    assert "Your browsers stay signed in, and access tokens of programs go on." in told


async def test_signed_out(nobody: Browser) -> None:
    assert (await nobody.get(PATH)).location == f"/login?next={PATH}"


async def test_changed(app: Quart, alice: Person, bob: Person) -> None:
    """The address is stored in its one spelling. Sessions and tokens go on."""
    elsewhere, program = Browser(app), await add_program(app, alice.id)
    await elsewhere.post("/login", {"email": alice.email, "password": PASSWORD})
    before = alice.cookie()
    response = await alice.post(PATH, a_form(email="Carol@BÜCHER.example.com"))
    assert (response.status_code, response.location) == (303, "/profile")
    assert alice.cookie() == before
    email = "carol@xn--bcher-kva.example.com"
    page = await alice.page("/profile")
    assert f"Your e-mail address is {email} now." in page
    assert "alice@example.com" not in page
    assert email in await elsewhere.page("/profile")
    assert (await program.get(BOOKS)).status_code == 200
    assert await signs_in(app, email, PASSWORD)
    assert not await signs_in(app, alice.email, PASSWORD)
    assert await signs_in(app, bob.email, PASSWORD)


WRONG = [
    ("email", "", "Enter an e-mail address"),
    ("email", "nobody", "Enter an e-mail address"),
    ("email", "x" * 89 + "@example.com", "Enter an e-mail address"),
    ("email", "car\0ol@example.com", "cannot be stored"),
    ("current_password", "", "Enter your present password, of at most 128 characters."),
    ("current_password", "p" * 129, "Enter your present password, of at most 128 characters."),
    ("current_password", "p\0", "cannot be stored"),
]


@pytest.mark.parametrize(("field", "value", "message"), WRONG)
async def test_wrong(app: Quart, alice: Person, field: str, value: str, message: str) -> None:
    """A message stands beside the field, the address is kept, the password is not sent back."""
    before = await accounts_of(app)
    form = a_form(**{field: value})
    response = await alice.post(PATH, form)
    assert response.status_code == 422
    page = await parse(response)
    assert page.source.count(f'href="#{field}"') == 1
    assert f'id="{field}-error"' in page.source
    assert page.fields == {"email": form["email"], "current_password": ""}
    told = await text_of(response)
    assert message in told
    assert "The address was not changed" in told
    assert await accounts_of(app) == before


async def test_all_wrong_at_once(alice: Person) -> None:
    """Nobody is told one mistake after the other."""
    source = (await parse(await alice.post(PATH))).source
    for field in ("email", "current_password"):
        assert source.count(f'id="{field}-error"') == 1


async def test_wrong_password(app: Quart, alice: Person, holds: list[float]) -> None:
    """401 with the form, which keeps the address."""
    before = await accounts_of(app)
    response = await alice.post(PATH, a_form(current_password="wrong horse battery"))
    assert response.status_code == 401
    page = await parse(response)
    assert 'id="current_password-error"' in page.source
    assert page.fields == {"email": NEW, "current_password": ""}
    assert WRONG_PASSWORD in await text_of(response)
    assert len(holds) == 1
    assert await accounts_of(app) == before


@pytest.mark.parametrize("spelling", ["bob@example.com", "BOB@Example.COM"])
async def test_taken(app: Quart, alice: Person, bob: Person, spelling: str) -> None:
    """Another's address stays theirs, however it is spelled."""
    before = await accounts_of(app)
    response = await alice.post(PATH, a_form(email=spelling))
    assert response.status_code == 422
    page = await parse(response)
    assert 'id="email-error"' in page.source
    assert page.fields == {"email": spelling, "current_password": ""}
    assert "There is an account with this e-mail address already." in await text_of(response)
    assert await accounts_of(app) == before


async def test_taken_is_told_to_the_owner_only(alice: Person, bob: Person) -> None:
    """Without the password nobody learns here that an address has an account."""
    form = a_form(email=bob.email, current_password="wrong horse battery")
    assert "There is an account" not in await text_of(await alice.post(PATH, form))


@pytest.mark.parametrize("spelling", ["alice@example.com", "ALICE@Example.com"])
async def test_same_address(app: Quart, alice: Person, spelling: str) -> None:
    """One's own address is not taken, in no spelling, and stays as it is."""
    before = await accounts_of(app)
    response = await alice.post(PATH, a_form(email=spelling))
    assert (response.status_code, response.location) == (303, "/profile")
    assert "Your e-mail address is alice@example.com now." in await alice.page("/profile")
    assert await accounts_of(app) == before


async def test_same_address_with_a_wrong_password(alice: Person) -> None:
    """Nobody is told that a wrong password was right."""
    form = a_form(email=alice.email, current_password="wrong horse battery")
    assert (await alice.post(PATH, form)).status_code == 401
    assert "Your e-mail address is" not in await alice.page("/profile")


async def test_addresses_cannot_be_tried(app: Quart, alice: Person, bob: Person) -> None:
    """Each change asks whether an address has an account: ten an hour, at both doors together."""
    before = await accounts_of(app)
    script = Script(alice)
    for number in range(EMAIL_CHANGES_PER_USER.count):
        if number % 2:
            body = {"current_password": PASSWORD, "email": bob.email}
            assert (await script.patch("/api/v1/me", body)).status_code == 409
        else:
            assert (await alice.post(PATH, a_form(email=bob.email))).status_code == 422
    refused = await alice.post(PATH, a_form(email=bob.email))
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert (await alice.post(PATH, a_form())).status_code == 429
    assert await accounts_of(app) == before
    assert (await bob.post(PATH, a_form())).status_code == 303


async def test_sent_again(app: Quart, alice: Person) -> None:
    """The same form once more, after the first or beside it, gets the same answer."""
    await alice.post(PATH, a_form())
    answers = [await alice.post(PATH, a_form())]
    form = a_form(email="dora@example.com")
    answers += await asyncio.gather(*(alice.post(PATH, form) for _ in range(3)))
    assert {(answer.status_code, answer.location) for answer in answers} == {(303, "/profile")}
    assert (await alice.page("/profile")).count("Your e-mail address is dora@example.com now.") == 1


@pytest.mark.parametrize(("changed_to", "status"), [(NEW, 303), ("other@example.com", 401)])
async def test_changed_meanwhile(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch, changed_to: str, status: int
) -> None:
    """A change to the same address is done. After another one the form has to be sent again."""
    find_account = accounts.find_account

    async def find_late(*args: Any) -> Any:
        await run(app, update(users_table).values(email=changed_to))
        return await find_account(*args)

    monkeypatch.setattr(accounts, "find_account", find_late)
    response = await alice.post(PATH, a_form())
    assert response.status_code == status
    assert [email for _, email, _ in await accounts_of(app)] == [changed_to]
    if status == 401:
        assert "Present address other@example.com" in await text_of(response)
    else:
        assert f"Your e-mail address is {NEW} now." in await alice.page("/profile")


async def test_from_another_site(app: Quart, alice: Person) -> None:
    before = await accounts_of(app)
    response = await alice.post(PATH, a_form(), headers={"Origin": "https://other.example"})
    assert response.status_code == 403
    assert await accounts_of(app) == before
