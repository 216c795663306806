"""The messages that the next page shows, and the cookie that carries them there."""

import random

import pytest
from quart import Quart

from service.config import Settings
from service.web.flashes import FlashSessionInterface
from tests.books.forms import a_book
from tests.people import Browser, Person

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def longest(response_headers: list[str]) -> int:
    return max(map(len, response_headers))


def signed(app: Quart, content: dict[str, object]) -> str:
    """A cookie with the service's own signature."""
    serializer = FlashSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return str(serializer.dumps(content))


async def test_flash_once(alice: Person) -> None:
    """A message shows on the next page, and on no other."""
    await alice.post("/books/add", a_book())
    assert "Added new book (Middlemarch)!" in await alice.page("/books/")
    assert "Added new book" not in await alice.page("/books/")


async def test_flash_several(alice: Person) -> None:
    for title in ("Emma", "Persuasion"):
        await alice.post("/books/add", a_book(book_title=title))
    page = await alice.page("/books/")
    assert page.index("Added new book (Emma)!") < page.index("Added new book (Persuasion)!")


async def test_flash_cookie_stays_small(alice: Person) -> None:
    """A script that never looks at a page keeps a cookie that browsers would take."""
    source = random.Random(1)
    for _ in range(40):
        title = "".join(chr(source.randrange(0x20000, 0x2FFFF)) for _ in range(500))
        response = await alice.post("/books/add", a_book(book_title=title))
        assert response.status_code == 303
        assert longest(response.headers.getlist("Set-Cookie")) < 4096
    assert f"Added new book ({title})!" in await alice.page("/books/")


@pytest.mark.parametrize(
    "cookie", ["", "x", "e30", "e30.a.b", "eyJfZmxhc2hlcyI6W1sieCIsInkiXV19.aBcD.sig", "🦉", ".."]
)
async def test_flash_cookie_forged(nobody: Browser, cookie: str) -> None:
    """What was not signed here says nothing, and breaks nothing."""
    nobody.set_cookie(cookie, "readlog-flash")
    response = await nobody.get("/")
    assert response.status_code == 200
    assert 'class="flash' not in await response.get_data(as_text=True)


async def test_flash_cookie_signs_nobody_in(app: Quart, nobody: Browser, alice: Person) -> None:
    """Its key, were it ever to leak, opens no account: who is signed in is not in there."""
    forged = signed(app, {"user_id": alice.id, "_user_id": str(alice.id), "user": alice.id})
    nobody.set_cookie(forged, "readlog-flash")
    assert (await nobody.get("/profile")).status_code == 303


async def test_flash_after_a_new_key(app: Quart, settings: Settings, nobody: Browser) -> None:
    """Messages signed with an earlier key still show; new ones are signed with the new key."""
    before = signed(app, {"_flashes": [["info", "Hello!"]]})
    old = settings.secret_key
    app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"] = "a new key" * 4, [old]
    nobody.set_cookie(before, "readlog-flash")
    assert "Hello!" in await nobody.page("/")
    await nobody.post("/logout")
    app.config["SECRET_KEY_FALLBACKS"] = []
    assert "Goodbye!" in await nobody.page("/")
    nobody.set_cookie(before, "readlog-flash")
    assert "Hello!" not in await nobody.page("/")
