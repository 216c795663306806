"""GET and POST /books/add"""

from datetime import UTC, datetime, timedelta

import pytest
from quart import Quart

from service.models import AUTHOR_MAX_LENGTH, TITLE_MAX_LENGTH, books_table
from tests.books.forms import WRONG, a_book
from tests.markup import parse
from tests.people import Browser, Person, count, rows, text_of


async def test_add_form(alice: Person) -> None:
    page = await parse(await alice.get("/books/add"))
    assert page.fields.pop("form")
    assert page.fields == {"book_title": "", "book_author": "", "book_rating": ""}
    assert page.forms == [("post", "/books/add")]


async def test_add(app: Quart, alice: Person) -> None:
    response = await alice.post("/books/add", a_book())
    assert (response.status_code, response.location) == (303, "/books/")
    page = await alice.page("/books/")
    assert "Added new book (Middlemarch)!" in page
    assert "George Eliot" in page
    columns = (
        books_table.c.id,
        books_table.c.title,
        books_table.c.author,
        books_table.c.rating,
        books_table.c.user_id,
    )
    [(_, *values)] = await rows(app, *columns)
    assert values == ["Middlemarch", "George Eliot", 5, alice.id]


async def test_add_notes_the_time(app: Quart, alice: Person) -> None:
    await alice.post("/books/add", a_book())
    [(created_at, updated_at)] = await rows(app, books_table.c.created_at, books_table.c.updated_at)
    assert abs(datetime.now(UTC) - created_at) < timedelta(minutes=5)
    assert abs(updated_at - created_at) < timedelta(seconds=1)


@pytest.mark.parametrize("rating", ["", "1", "2", "3", "4", "5"])
async def test_add_rating(app: Quart, alice: Person, rating: str) -> None:
    """A rating is one of five whole numbers, or none."""
    await alice.post("/books/add", a_book(book_rating=rating))
    assert await rows(app, books_table.c.rating) == [(int(rating) if rating else None,)]


async def test_add_without_rating_field(app: Quart, alice: Person) -> None:
    form = a_book()
    del form["book_rating"]
    assert (await alice.post("/books/add", form)).status_code == 303
    assert await rows(app, books_table.c.rating) == [(None,)]


async def test_add_longest(app: Quart, alice: Person) -> None:
    """Lengths count code points: the longest title may well be of characters of four bytes."""
    title, author = "🦉" * TITLE_MAX_LENGTH, "é" * AUTHOR_MAX_LENGTH
    response = await alice.post("/books/add", a_book(book_title=title, book_author=author))
    assert response.status_code == 303
    assert await rows(app, books_table.c.title, books_table.c.author) == [(title, author)]
    assert title in await alice.page("/books/")


@pytest.mark.parametrize(("field", "value", "message"), WRONG)
async def test_add_wrong(app: Quart, alice: Person, field: str, value: str, message: str) -> None:
    """The form comes back with what was typed, and with a message beside the wrong field."""
    form = a_book(**{field: value})
    response = await alice.post("/books/add", form)
    assert response.status_code == 422
    text = await text_of(response)
    assert "Error with book data submitted!" in text
    assert message in text
    page = await parse(response)
    assert f'id="{field}-error"' in page.source
    assert page.source.count('-error"><span') == 1
    if "\0" not in value:
        assert page.fields.pop("form")
        assert page.fields == form
    assert await count(app, books_table) == 0


async def test_add_all_wrong(alice: Person) -> None:
    source = (await parse(await alice.post("/books/add", {"book_rating": "6"}))).source
    for field in ("book_title", "book_author", "book_rating"):
        assert f'id="{field}-error"' in source


async def test_add_twice(app: Quart, alice: Person) -> None:
    """People read books twice."""
    for _ in range(2):
        assert (await alice.post("/books/add", a_book())).status_code == 303
    assert await count(app, books_table) == 2


async def test_add_unknown_fields(app: Quart, alice: Person, bob: Person) -> None:
    """A form cannot choose the owner, the id or the times."""
    extra = {"user_id": str(bob.id), "book_user_id": str(bob.id), "id": "4711", "book_id": "4711"}
    extra |= {"created_at": "2000-01-01", "book_created_at": "2000-01-01", "owner": "bob"}
    assert (await alice.post("/books/add", a_book() | extra)).status_code == 303
    [(book_id, owner, created_at)] = await rows(
        app, books_table.c.id, books_table.c.user_id, books_table.c.created_at
    )
    assert book_id != 4711
    assert owner == alice.id
    assert created_at.year > 2000


async def test_add_signed_out(app: Quart, nobody: Browser) -> None:
    """What was sent is lost, so the way back leads to the list and not into an error."""
    response = await nobody.post("/books/add", a_book())
    assert (response.status_code, response.location) == (303, "/login?next=/books/")
    assert await count(app, books_table) == 0
