"""Forms that make something: the same form, sent again in whatever way, makes one thing."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from quart import Quart, Response

from service.books import rules
from service.idempotency import LIFETIME
from service.models import (
    access_tokens_table,
    books_table,
    idempotency_keys_table,
    sessions_table,
    users_table,
)
from service.security.tokens import hash_token, new_token
from service.tokens import rules as tokens
from service.web.submissions import FIELD, Submission
from tests.books.forms import a_book
from tests.clocks import Clock
from tests.markup import parse
from tests.page_forms import posted, walk
from tests.people import PASSWORD, Browser, Person, add_person, count, execute, rows, text_of
from tests.statements import observed
from tests.tokens.token_forms import has_tokens, make, send_form

ADD = "/books/add"
ADDED = "Added new book (Middlemarch)!"
EMAIL = "carol@example.com"
# Forms that make nothing. A new form belongs either here or among those that carry a key.
MAKE_NOTHING = {
    "/login",
    "/logout",
    "/profile/password",
    "/profile/email",
    "/books/<id:book_id>/edit",
    "/books/<id:book_id>/delete",
    "/profile/tokens/<id:token_id>/revoke",
}


async def key_in(browser: Browser, path: str) -> str:
    return (await parse(await browser.get(path))).fields[FIELD]


async def add(person: Browser, key: str, **changes: str) -> Response:
    return await person.post(ADD, a_book(**changes) | {FIELD: key})


def a_registration(key: str, **changes: str) -> dict[str, str]:
    return {"email": EMAIL, "password": PASSWORD, "confirm": PASSWORD, FIELD: key} | changes


async def test_every_form_that_makes_something(app: Quart, alice: Person, nobody: Browser) -> None:
    ids = {
        "book_id": (await alice.has_books("Emma"))[0],
        "token_id": (await has_tokens(app, alice, "Backup"))[0],
    }
    forms = {**(await walk(app, nobody, ids)).forms, **(await walk(app, alice, ids)).forms}
    with_key = {route for route, fields in forms.items() if FIELD in fields}
    assert with_key == posted(app) - MAKE_NOTHING
    assert await count(app, idempotency_keys_table) == 0  # pages that are looked at keep nothing


@pytest.mark.parametrize("times", [2, 4])
async def test_book_sent_again(app: Quart, alice: Person, times: int) -> None:
    """Each answer is the ordinary one."""
    key = await key_in(alice, ADD)
    for _ in range(times):
        response = await add(alice, key)
        assert (response.status_code, response.location) == (303, "/books/")
        page = await alice.page("/books/")
        assert page.count(ADDED) == 1
        assert "This form was sent" not in page
    assert await count(app, books_table) == 1
    assert await count(app, idempotency_keys_table) == 1


async def test_double_click_shows_one_message(alice: Person) -> None:
    """Both halves are answered before the browser asks for the next page."""
    key = await key_in(alice, ADD)
    for _ in range(2):
        await add(alice, key)
    assert (await alice.page("/books/")).count(ADDED) == 1


async def test_book_sent_at_once(app: Quart, second_app: Quart, alice: Person) -> None:
    """A double click, whose halves reach two processes."""
    key = await key_in(alice, ADD)
    other = Browser(second_app)
    other.set_cookie(alice.cookie() or "")
    answers = await asyncio.gather(*(add(browser, key) for browser in [alice, other] * 4))
    assert {(answer.status_code, answer.location) for answer in answers} == {(303, "/books/")}
    assert await count(app, books_table) == 1
    assert ADDED in await other.page("/books/")


async def test_book_sent_with_changes(app: Quart, alice: Person) -> None:
    """Whoever goes back and types another title wants another book."""
    key = await key_in(alice, ADD)
    await add(alice, key)
    await add(alice, key, book_title="Romola")
    await add(alice, key, book_rating="4")
    await add(alice, key, book_title="Romola")
    assert await rows(app, books_table.c.id, books_table.c.title, books_table.c.rating) == [
        (1, "Middlemarch", 5),
        (2, "Romola", 5),
        (3, "Middlemarch", 4),
    ]


async def test_book_in_two_forms(app: Quart, alice: Person, bob: Person) -> None:
    """Whoever opens the page twice may add the same twice; and a key is one person's."""
    first, second = await key_in(alice, ADD), await key_in(alice, ADD)
    assert first != second
    for person, key in ((alice, first), (alice, second), (bob, first)):
        assert (await add(person, key)).status_code == 303
    assert [owner for _, owner in await rows(app, books_table.c.id, books_table.c.user_id)] == [
        alice.id,
        alice.id,
        bob.id,
    ]


@pytest.mark.parametrize("key", [None, "", " ", "1", "x" * 42, "x" * 44, "é" * 43, "\0" * 43])
async def test_book_without_a_key_of_ours(app: Quart, alice: Person, key: str | None) -> None:
    """A script that posts forms adds a book each time."""
    form = a_book() if key is None else a_book() | {FIELD: key}
    for _ in range(2):
        assert (await alice.post(ADD, form)).status_code == 303
    assert await count(app, books_table) == 2
    assert await count(app, idempotency_keys_table) == 0


async def test_book_after_a_refusal(app: Quart, alice: Person) -> None:
    """The form that is shown again is the same form; what is no key is replaced."""
    key = await key_in(alice, ADD)
    refused = await parse(await add(alice, key, book_rating="6"))
    assert refused.fields[FIELD] == key
    await add(alice, key)
    await add(alice, key)
    assert await count(app, books_table) == 1
    refused = await parse(await add(alice, "garbled", book_rating="6"))
    assert len(refused.fields[FIELD]) == 43


async def test_book_deleted_meanwhile(app: Quart, alice: Person) -> None:
    key = await key_in(alice, ADD)
    await add(alice, key)
    await alice.post("/books/1/delete")
    await alice.get("/books/")
    response = await add(alice, key)
    assert (response.status_code, response.location) == (303, "/books/")
    page = await alice.page("/books/")
    assert "The book that it added was deleted meanwhile, so nothing was added now." in page
    assert ADDED not in page
    assert await count(app, books_table) == 0


async def test_book_edited_meanwhile(app: Quart, alice: Person) -> None:
    key = await key_in(alice, ADD)
    await add(alice, key)
    await alice.post("/books/1/edit", a_book(book_title="Romola"))
    assert (await add(alice, key)).status_code == 303
    assert await rows(app, books_table.c.title) == [("Romola",)]


async def test_last_book_that_has_room(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again it is not one too many; another one is."""
    monkeypatch.setattr(rules, "MAX_BOOKS", 1)
    rules._rooms.clear()
    key = await key_in(alice, ADD)
    for _ in range(2):
        assert (await add(alice, key)).status_code == 303
    assert (await add(alice, await key_in(alice, ADD))).status_code == 409
    assert await count(app, books_table) == 1


async def test_key_expires(app: Quart, clock: Clock, alice: Person) -> None:
    key = await key_in(alice, ADD)
    await add(alice, key)
    await clock.advance(LIFETIME.total_seconds() - 1)
    await add(alice, key)
    assert await count(app, books_table) == 1
    await clock.advance(1)
    await add(alice, key)
    assert await count(app, books_table) == 2
    await add(alice, key)
    assert await count(app, books_table) == 2
    assert await count(app, idempotency_keys_table) == 1


async def test_book_and_key_or_neither(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails before the commit keeps no key either."""
    keep = Submission.keep

    async def fail(*args: Any) -> None:
        await keep(*args)
        raise RuntimeError("too late")

    key = await key_in(alice, ADD)
    with monkeypatch.context() as patched:
        patched.setattr(Submission, "keep", fail)
        assert (await add(alice, key)).status_code == 500
    assert await count(app, books_table) == await count(app, idempotency_keys_table) == 0
    assert (await add(alice, key)).status_code == 303
    assert await count(app, books_table) == 1


async def test_one_statement_more(app: Quart, alice: Person) -> None:
    """A key costs one statement, and a transaction where PostgreSQL needs none without it."""
    await add(alice, "")  # counts the list
    seen: list[str] = []
    with observed(app, seen.append):
        await add(alice, "")
        plain = len(set(seen) - {"COMMIT"})
        seen.clear()
        await add(alice, new_token())
    assert len(set(seen) - {"COMMIT"}) == plain + 1
    assert seen[-1] == "COMMIT"
    assert sum("idempotency_keys" in statement for statement in seen) == 1


async def test_form_with_a_file(app: Quart) -> None:
    """Another file is another form."""
    texts = {FIELD: new_token()}
    async with app.test_request_context("/books/import", method="POST"):
        keys = [Submission.of(1, texts, content).key for content in (b"\xff\0", b"\xff", b"\xff\0")]
    assert keys[0] == keys[2] != keys[1]


async def test_key_is_kept_as_a_hash(app: Quart, alice: Person) -> None:
    key = await key_in(alice, ADD)
    await add(alice, key)
    [row] = await rows(app, *idempotency_keys_table.c)
    assert key not in repr(row)
    assert hash_token(key) not in row


async def test_token_revoked_meanwhile(app: Quart, alice: Person) -> None:
    key = await key_in(alice, "/profile/tokens")
    await make(alice, form=key)
    await alice.post("/profile/tokens/1/revoke")
    response = await send_form(alice, form=key)
    assert (response.status_code, response.location) == (303, "/profile/tokens")
    assert "The token that it made was revoked meanwhile" in await alice.page("/profile/tokens")
    assert await count(app, access_tokens_table) == 0


async def test_last_token_that_has_room(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 1)
    key = await key_in(alice, "/profile/tokens")
    await make(alice, form=key)
    assert (await send_form(alice, form=key)).status_code == 303
    assert (await send_form(alice)).status_code == 409


async def test_registration_sent_again(app: Quart, new_browser: Callable[[], Browser]) -> None:
    """The browser may not have the first answer's cookie: it is signed in by the second."""
    browser = new_browser()
    key = await key_in(browser, "/register")
    await browser.post("/register", a_registration(key))
    for other in (new_browser(), browser):
        response = await other.post("/register", a_registration(key))
        assert (response.status_code, response.location) == (303, "/books/")
        assert f"Thank you for registering, {EMAIL}!" in await other.page("/books/")
        assert (await other.get("/profile")).status_code == 200
    assert await count(app, users_table) == 1


async def test_registration_sent_at_once(app: Quart, new_browser: Callable[[], Browser]) -> None:
    key = new_token()
    browsers = [new_browser() for _ in range(4)]
    answers = await asyncio.gather(
        *(browser.post("/register", a_registration(key)) for browser in browsers)
    )
    assert {(answer.status_code, answer.location) for answer in answers} == {(303, "/books/")}
    assert await count(app, users_table) == 1
    for browser in browsers:
        assert (await browser.get("/profile")).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {FIELD: new_token()},
        {FIELD: ""},
        {"password": "another of eight", "confirm": "another of eight"},
    ],
)
async def test_registration_of_a_stranger(
    app: Quart, new_browser: Callable[[], Browser], changes: dict[str, str]
) -> None:
    """Without both the key and the password nobody is signed in, and the answer is the usual."""
    key = new_token()
    await new_browser().post("/register", a_registration(key))
    stranger = new_browser()
    response = await stranger.post("/register", a_registration(key, **changes))
    assert response.status_code == 422
    assert "There is an account with this e-mail address already." in await text_of(response)
    assert stranger.cookie() is None
    assert await count(app, sessions_table) == 1


async def test_registration_of_an_older_account(
    app: Quart, alice: Person, new_browser: Callable[[], Browser]
) -> None:
    """The right password alone makes no registration of it."""
    browser = new_browser()
    form = a_registration(await key_in(browser, "/register"), email=alice.email)
    assert (await browser.post("/register", form)).status_code == 422
    assert browser.cookie() is None


async def test_registration_with_changes(app: Quart, new_browser: Callable[[], Browser]) -> None:
    key = new_token()
    for email in (EMAIL, "dora@example.com", EMAIL):
        response = await new_browser().post("/register", a_registration(key, email=email))
        assert response.status_code == 303
    assert [email for _, email in await rows(app, users_table.c.id, users_table.c.email)] == [
        EMAIL,
        "dora@example.com",
    ]


async def test_registration_after_deletion(app: Quart, new_browser: Callable[[], Browser]) -> None:
    """Nothing is left of an account that was deleted, so the form makes it anew."""
    key = new_token()
    await new_browser().post("/register", a_registration(key))
    await execute(app, "DELETE FROM users")
    response = await new_browser().post("/register", a_registration(key))
    assert response.status_code == 303
    assert await count(app, users_table) == 1


async def test_registration_signed_in_as_somebody(app: Quart, alice: Person) -> None:
    response = await alice.post("/register", a_registration(new_token()))
    assert (response.status_code, response.location) == (303, "/profile")
    assert await count(app, users_table) == 1


async def test_token_for_an_address_that_changed_hands(
    app: Quart, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session's owner gets the token, or nobody does."""
    await execute(app, "UPDATE users SET email = 'other@example.com'")
    await add_person(app, alice.email)
    monkeypatch.setattr("service.auth.current.queries.get_signed_in", _signed_in_as_before(alice))
    response = await send_form(alice, form=new_token())
    assert response.status_code == 401
    assert await count(app, access_tokens_table) == 0


def _signed_in_as_before(person: Person) -> Any:
    """What the request knew of its person before the address changed."""
    from datetime import UTC, datetime

    from service.auth.queries import SignedInUser

    async def get_signed_in(*_: object) -> SignedInUser:
        return SignedInUser(person.id, person.email, datetime.now(UTC), 0)

    return get_signed_in
