"""GET and POST /profile/tokens, and /profile/tokens/<id>/revoke"""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markupsafe import escape
from quart import Quart
from sqlalchemy import update

from service.limits.rules import CONFIRMATIONS_PER_SESSION, LOGIN_PER_ACCOUNT
from service.models import DatabaseNow, access_tokens_table, metadata
from service.security.tokens import new_token
from service.tokens.rules import MAX_TOKENS
from tests.log_output import under_gunicorn
from tests.markup import parse
from tests.people import PASSWORD, Browser, Person, count, rows, text_of
from tests.statements import run
from tests.tokens.token_forms import PATH, TEXT, call, has_tokens, make, send_form

ALL = ["books:read", "books:write", "account:read", "account:write"]
NAMES = ["Ünïcödé", "סקריפט גיבוי", "تصدير شهري", "備份 📚", "</h2><b>bold", "W" * 100, " x "]
NOBODYS = 4711
FORM_KEY = new_token()


async def change(app: Quart, **values: Any) -> None:
    """Give every token other values."""
    await run(app, update(access_tokens_table).values(values))


async def test_tokens_none(alice: Person) -> None:
    """The empty page says what tokens are for, and has the form to make one."""
    response = await alice.get(PATH)
    page = await parse(response)
    assert page.forms == [("post", PATH)]
    assert "/api/docs" in page.links
    assert page.source.count(" checked") == 1
    assert page.source.count(" selected") == 1
    assert page.fields["name"] == page.fields["password"] == ""
    assert "You have no tokens yet." in await text_of(response)


async def test_tokens_on_the_profile(alice: Person) -> None:
    assert PATH in (await parse(await alice.get("/profile"))).links


async def test_tokens_signed_out(nobody: Browser) -> None:
    response = await nobody.get(PATH)
    assert (response.status_code, response.location) == (303, f"/login?next={PATH}")
    assert (await send_form(nobody)).location == "/login?next=/books/"


async def test_tokens_make(app: Quart, alice: Person) -> None:
    """The answer shows the text in a field, is kept by no cache, and the token works at once."""
    response = await send_form(alice, name="Backup", scopes=ALL[:2], days="7")
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    page = await parse(response)
    [text] = TEXT.findall(page.source)
    [field] = [names for tag, names in page.tags if tag == "input"]
    assert {"id", "value", "readonly"} <= set(field)
    told = await text_of(response)
    assert "it is shown this once" in told
    assert "Read your books, change your books" in told
    assert await call(app, text) == 200
    assert await call(app, text, "/api/v1/me") == 403

    [(name, scopes, made, ends)] = await rows(
        app,
        access_tokens_table.c.name,
        access_tokens_table.c.scopes,
        access_tokens_table.c.created_at,
        access_tokens_table.c.expires_at,
    )
    assert (name, scopes, ends - made) == ("Backup", "books:read books:write", timedelta(days=7))


@pytest.mark.parametrize("days", [7, 30, 90, 365])
async def test_tokens_lifetimes(app: Quart, alice: Person, days: int) -> None:
    await make(alice, days=str(days))
    [(made, ends)] = await rows(
        app, access_tokens_table.c.created_at, access_tokens_table.c.expires_at
    )
    assert ends - made == timedelta(days=days)


async def test_tokens_scopes_in_their_order(app: Quart, alice: Person) -> None:
    """However they were sent, and however often."""
    await make(alice, scopes=["account:write", "books:read", "books:read"])
    assert await rows(app, access_tokens_table.c.scopes) == [("books:read account:write",)]


async def test_tokens_text_is_kept_nowhere(app: Quart, alice: Person) -> None:
    """Neither list, log nor database has it: what is kept is its hash."""
    with under_gunicorn() as log:
        text = await make(alice, form=FORM_KEY)
        assert text not in (await parse(await alice.get(PATH))).source
        [(token_id,)] = await rows(app, access_tokens_table.c.id)
        await alice.get(f"{PATH}/{token_id}/revoke")
        assert await call(app, text) == 200
    assert text not in log.getvalue()
    assert await rows(app, access_tokens_table.c.token_hash) == [
        (hashlib.sha256(text.encode()).digest(),)
    ]
    for table in metadata.tables.values():
        assert text not in repr(await rows(app, *table.c))
        assert PASSWORD not in repr(await rows(app, *table.c))


async def test_tokens_list(app: Quart, alice: Person, bob: Person) -> None:
    """One's own that can be used, the newest first."""
    first, second = await has_tokens(app, alice, "First", "Second")
    await has_tokens(app, bob, "Bob's")
    page = await parse(await alice.get(PATH))
    assert [link for link in page.links if link.endswith("/revoke")] == [
        f"{PATH}/{second}/revoke",
        f"{PATH}/{first}/revoke",
    ]
    assert "Bob's" not in await alice.page(PATH)


async def test_tokens_list_tells(app: Quart, alice: Person) -> None:
    await has_tokens(app, alice, "Backup")
    assert "Never used" in await alice.page(PATH)
    now = datetime(2031, 3, 5, 14, 7, tzinfo=UTC)
    await change(app, created_at=now, expires_at=now + timedelta(days=30), last_used_at=now)
    page = await alice.page(PATH)
    assert "Read your books, change your books" in page
    assert "Made March 5, 2031 , expires April 4, 2031" in page
    assert "Last used March 5, 2031, 14:07 UTC" in page


async def test_tokens_list_without_expired(app: Quart, alice: Person) -> None:
    [token_id] = await has_tokens(app, alice, "Backup")
    await change(app, expires_at=DatabaseNow())
    assert "You have no tokens yet." in await alice.page(PATH)
    assert (await alice.get(f"{PATH}/{token_id}/revoke")).status_code == 404
    assert (await alice.post(f"{PATH}/{token_id}/revoke")).status_code == 404


@pytest.mark.parametrize("name", NAMES)
async def test_tokens_names(app: Quart, alice: Person, name: str) -> None:
    """Any text is a name, and is shown as it was typed."""
    await make(alice, name=name)
    assert await rows(app, access_tokens_table.c.name) == [(name,)]
    [(token_id,)] = await rows(app, access_tokens_table.c.id)
    for path in (PATH, f"{PATH}/{token_id}/revoke"):
        page = await parse(await alice.get(path))
        assert f'dir="auto">{escape(name)}<' in page.source
        assert ("b", ()) not in page.tags
    await alice.post(f"{PATH}/{token_id}/revoke")
    told = f"Token (<bdi>{escape(name)}</bdi>) was revoked!"
    assert told in (await parse(await alice.get(PATH))).source


WRONG = [
    ("name", "", "Enter a name of 1 to 100 characters."),
    ("name", " \u3000", "Enter a name of 1 to 100 characters."),
    ("name", "\u200b", "Enter a name of 1 to 100 characters."),
    ("name", "\u3164\u2800\U000e0041", "Enter a name of 1 to 100 characters."),
    ("name", "W" * 101, "Enter a name of 1 to 100 characters."),
    ("name", "a\0b", "This holds a character that cannot be stored."),
    ("scopes", [], "Tick at least one thing that it may do."),
    ("scopes", ["books:burn"], "Tick at least one thing that it may do."),
    ("scopes", ["books:read"] * 5, "Tick at least one thing that it may do."),
    ("days", "", "Choose one of these times."),
    ("days", "0", "Choose one of these times."),
    ("days", "99999999999", "Choose one of these times."),
    ("days", "٧", "Choose one of these times."),
    ("password", "", "Enter your password"),
    ("password", "p" * 129, "Enter your password"),
    ("password", "p\0", "This holds a character that cannot be stored."),
]


@pytest.mark.parametrize(("field", "value", "message"), WRONG)
async def test_tokens_wrong(
    app: Quart, alice: Person, field: str, value: Any, message: str
) -> None:
    """The form comes back with a message beside the field, and the password is not sent back."""
    response = await send_form(alice, **{field: value})
    assert response.status_code == 422
    page = await parse(response)
    assert page.source.count('-error"><span') == 1
    assert f'id="{field}-error"' in page.source
    assert f'href="#{field}"' in page.source
    assert message in await text_of(response)
    assert page.fields["password"] == ""
    assert await count(app, access_tokens_table) == 0


async def test_tokens_wrong_keeps_the_rest(alice: Person) -> None:
    response = await send_form(
        alice, name="גיבוי", scopes=ALL[2:], days="365", password="", form=FORM_KEY
    )
    page = await parse(response)
    assert (page.fields["name"], page.fields["form"]) == ("גיבוי", FORM_KEY)
    for value in ALL:
        ticked = f'value="{value}" checked' in page.source
        assert ticked == (value in ALL[2:])
    assert '<option value="365" selected>' in page.source


async def test_tokens_wrong_password(app: Quart, alice: Person) -> None:
    """401 with the form: another's password, or a wrong one, makes no token."""
    response = await send_form(alice, password="wrong horse battery", name="Mine")
    assert response.status_code == 401
    page = await parse(response)
    assert 'id="password-error"' in page.source
    assert (page.fields["name"], page.fields["password"]) == ("Mine", "")
    assert await count(app, access_tokens_table) == 0


async def test_tokens_wrong_password_takes_as_long(alice: Person, holds: list[float]) -> None:
    await send_form(alice, password="wrong horse battery")
    assert len(holds) == 1


async def test_tokens_are_made_from_no_other_site(app: Quart, alice: Person) -> None:
    response = await alice.post(PATH, headers={"Origin": "https://other.example"})
    assert response.status_code == 403
    assert await count(app, access_tokens_table) == 0


class TestLimits:
    """Guessing the password here counts like guessing it at the sign-in."""

    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        return {"CONFIG_TYPE": "testing", "DATABASE_URL": database_url, "RATE_LIMITS": "on"}

    async def test_stranger_uses_nothing_up(self, alice: Person, nobody: Browser) -> None:
        """However many passwords a stranger tries, the owner who is signed in goes on (F5)."""
        guess = {"email": alice.email, "password": "wrong horse"}
        answers = [
            (await nobody.post("/login", guess)).status_code
            for _ in range(LOGIN_PER_ACCOUNT.count + 1)
        ]
        assert answers[-1] == 429
        assert (await send_form(alice)).status_code == 201

    async def test_wrong_passwords(self, app: Quart, alice: Person, nobody: Browser) -> None:
        """Counted for the session: who signs in elsewhere is not refused for them."""
        found = []
        for _ in range(CONFIRMATIONS_PER_SESSION.count + 1):
            found.append((await send_form(alice, password="wrong horse")).status_code)
        assert found == [401] * CONFIRMATIONS_PER_SESSION.count + [429]
        refused = await send_form(alice)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        login = await nobody.post("/login", {"email": alice.email, "password": PASSWORD})
        assert login.status_code == 303
        assert await count(app, access_tokens_table) == 0

    async def test_refusals_of_right_passwords_do_not_count(
        self, app: Quart, alice: Person
    ) -> None:
        """Whoever has too many tokens already is not locked out for asking again."""
        await has_tokens(app, alice, *(f"Token {n}" for n in range(MAX_TOKENS)))
        for _ in range(LOGIN_PER_ACCOUNT.count + 1):
            assert (await send_form(alice)).status_code == 409

    async def test_repeated_forms_do_not_count(self, alice: Person) -> None:
        await make(alice, form=FORM_KEY)
        for _ in range(LOGIN_PER_ACCOUNT.count + 1):
            assert (await send_form(alice, form=FORM_KEY)).status_code == 303


async def test_tokens_too_many(app: Quart, alice: Person, bob: Person) -> None:
    ids = await has_tokens(app, alice, *(f"Token {n}" for n in range(MAX_TOKENS)))
    page = await parse(await alice.get(PATH))
    assert page.forms == []
    assert len([link for link in page.links if link.endswith("/revoke")]) == MAX_TOKENS
    response = await send_form(alice)
    assert response.status_code == 409
    assert f"There are {MAX_TOKENS} tokens already." in await text_of(response)
    await make(bob)
    await alice.post(f"{PATH}/{ids[0]}/revoke")
    await make(alice)


async def test_tokens_sent_twice(app: Quart, alice: Person) -> None:
    """A reload makes no second token, and does not show the text again."""
    form = (await parse(await alice.get(PATH))).fields["form"]
    await make(alice, form=form)
    again = await send_form(alice, form=form)
    assert (again.status_code, again.location) == (303, PATH)
    page = await alice.page(PATH)
    assert "This form was sent twice and made one token." in page
    assert not TEXT.search(page)
    assert await count(app, access_tokens_table) == 1


async def test_tokens_sent_at_once(app: Quart, alice: Person) -> None:
    """A double click makes one."""
    answers = await asyncio.gather(*(send_form(alice, form=FORM_KEY) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 303, 303]
    assert await count(app, access_tokens_table) == 1


async def test_tokens_sent_again_with_changes(app: Quart, alice: Person, bob: Person) -> None:
    """Whoever goes back and wants another token gets it; so does another person, and each form."""
    first = (await parse(await alice.get(PATH))).fields["form"]
    second = (await parse(await alice.get(PATH))).fields["form"]
    assert first != second
    await make(alice, form=first)
    await make(alice, form=first, name="Another")
    await make(alice, form=second)
    await make(bob, form=first)
    assert await count(app, access_tokens_table) == 4


async def test_tokens_sent_by_scripts(app: Quart, alice: Person) -> None:
    """A form without an id makes a token each time."""
    assert await make(alice) != await make(alice)
    assert await count(app, access_tokens_table) == 2


async def test_tokens_form_id_of_any_kind(alice: Person) -> None:
    for form in ("\0", "🦉" * 3000, "x" * 9000):
        assert TEXT.fullmatch(await make(alice, form=form))


async def test_tokens_revoke(app: Quart, alice: Person) -> None:
    """It asks first; then the token is refused from the next call on, and the others are not."""
    text, other = await make(alice), await make(alice, name="Other")
    [(token_id,), _] = await rows(app, access_tokens_table.c.id)
    path = f"{PATH}/{token_id}/revoke"
    page = await parse(await alice.get(path))
    assert page.forms == [("post", path)]
    assert "Backup" in await alice.page(path)
    assert await call(app, text) == 200
    response = await alice.post(path)
    assert (response.status_code, response.location) == (303, PATH)
    assert await call(app, text) == 401
    assert await call(app, other) == 200
    page_text = await alice.page(PATH)
    assert "Token (Backup) was revoked!" in page_text
    assert "Revoke Other" in page_text
    assert (await alice.post(path)).status_code == 404


async def test_tokens_revoke_anothers(app: Quart, alice: Person, bob: Person) -> None:
    """Another's token is not told from one that does not exist."""
    text = await make(alice)
    [(token_id,)] = await rows(app, access_tokens_table.c.id)
    for method in (bob.get, bob.post):
        answers = []
        for target in (token_id, NOBODYS):
            response = await method(
                f"{PATH}/{target}/revoke", headers={"X-Request-ID": "the-same-request"}
            )
            assert response.status_code == 404
            answers.append((list(response.headers), await response.get_data()))
        assert answers[0] == answers[1]
    assert await call(app, text) == 200


async def test_tokens_revoke_signed_out(app: Quart, alice: Person, nobody: Browser) -> None:
    text = await make(alice)
    [(token_id,)] = await rows(app, access_tokens_table.c.id)
    path = f"{PATH}/{token_id}/revoke"
    assert (await nobody.get(path)).location == f"/login?next={path}"
    assert (await nobody.post(path)).location == "/login?next=/books/"
    assert await call(app, text) == 200
