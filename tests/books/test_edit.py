"""GET and POST /books/<id>/edit"""

import asyncio
from datetime import UTC, datetime

import pytest
from quart import Quart
from sqlalchemy import update

from service.models import books_table
from tests.books.forms import WRONG, a_book
from tests.markup import parse
from tests.people import Browser, Person, rows, text_of
from tests.statements import run

VALUES = (books_table.c.title, books_table.c.author, books_table.c.rating)


async def test_edit_form(app: Quart, alice: Person) -> None:
    """The form shows the present values."""
    await alice.post("/books/add", a_book(book_rating="3"))
    [(book_id,)] = await rows(app, books_table.c.id)
    page = await parse(await alice.get(f"/books/{book_id}/edit"))
    [(version,)] = await rows(app, books_table.c.version)
    assert page.fields == a_book(book_rating="3", version=str(version))
    assert page.forms == [("post", f"/books/{book_id}/edit")]


async def test_edit_form_unrated(alice: Person) -> None:
    [book_id] = await alice.has_books("Emma")
    page = await parse(await alice.get(f"/books/{book_id}/edit"))
    assert page.fields["book_rating"] == ""


async def test_edit(app: Quart, alice: Person) -> None:
    [book_id] = await alice.has_books("Middlemarsh")
    response = await alice.post(f"/books/{book_id}/edit", a_book())
    assert (response.status_code, response.location) == (303, "/books/")
    assert "Book (Middlemarch) was updated!" in await alice.page("/books/")
    assert await rows(app, *VALUES) == [("Middlemarch", "George Eliot", 5)]


async def test_edit_takes_the_rating_away(app: Quart, alice: Person) -> None:
    await alice.post("/books/add", a_book())
    [(book_id,)] = await rows(app, books_table.c.id)
    await alice.post(f"/books/{book_id}/edit", a_book(book_rating=""))
    assert await rows(app, *VALUES) == [("Middlemarch", "George Eliot", None)]


async def test_edit_changes_one_book(app: Quart, alice: Person, bob: Person) -> None:
    [first, second] = await alice.has_books("First", "Second")
    await bob.has_books("Third")
    await alice.post(f"/books/{second}/edit", a_book(book_title="Changed"))
    assert await rows(app, books_table.c.id, books_table.c.title) == [
        (first, "First"),
        (second, "Changed"),
        (second + 1, "Third"),
    ]


async def test_edit_notes_the_time(app: Quart, alice: Person) -> None:
    [book_id] = await alice.has_books("Emma")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    await run(app, update(books_table).values(created_at=long_ago, updated_at=long_ago))
    await alice.post(f"/books/{book_id}/edit", a_book())
    [(created_at, updated_at)] = await rows(app, books_table.c.created_at, books_table.c.updated_at)
    assert created_at == long_ago
    assert updated_at.year > 2020


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("field", "value", "message"), WRONG)
async def test_edit_wrong(app: Quart, alice: Person, field: str, value: str, message: str) -> None:
    """Editing checks what adding checks; the book stays as it was."""
    [book_id] = await alice.has_books("Emma")
    form = a_book(**{field: value})
    response = await alice.post(f"/books/{book_id}/edit", form)
    assert response.status_code == 422
    assert message in await text_of(response)
    page = await parse(response)
    assert f'id="{field}-error"' in page.source
    assert page.forms == [("post", f"/books/{book_id}/edit")]
    if "\0" not in value:
        assert page.fields == form
    assert await rows(app, *VALUES) == [("Emma", "Somebody", None)]


async def test_edit_unknown_fields(app: Quart, alice: Person, bob: Person) -> None:
    [book_id] = await alice.has_books("Emma")
    extra = {"id": "4711", "book_id": "4711", "user_id": str(bob.id), "book_user_id": str(bob.id)}
    assert (await alice.post(f"/books/{book_id}/edit", a_book() | extra)).status_code == 303
    assert await rows(app, books_table.c.id, books_table.c.user_id) == [(book_id, alice.id)]


async def test_edit_at_the_same_moment(app: Quart, alice: Person) -> None:
    """The last one wins, and whole: no mixture of two people's forms."""
    [book_id] = await alice.has_books("Emma")
    forms = [a_book(book_title=f"T{n}", book_author=f"A{n}") for n in range(6)]
    responses = await asyncio.gather(
        *(alice.post(f"/books/{book_id}/edit", form) for form in forms)
    )
    assert {response.status_code for response in responses} == {303}
    [(title, author, _)] = await rows(app, *VALUES)
    assert title[1:] == author[1:]


@pytest.mark.parametrize("method", ["get", "post", "wrong"])
async def test_edit_of_another(app: Quart, alice: Person, bob: Person, method: str) -> None:
    """Another's book is not told from one that does not exist, whatever the form says."""
    [book_id] = await alice.has_books("Emma")
    answers = []
    for target in (book_id, 4711):
        path = f"/books/{target}/edit"
        form = a_book() if method == "post" else {}
        headers = {"X-Request-ID": "the-same-request"}
        response = await (
            bob.get(path, headers=headers)
            if method == "get"
            else bob.post(path, form, headers=headers)
        )
        assert response.status_code == 404
        answers.append((list(response.headers), await response.get_data()))
    assert answers[0] == answers[1]
    assert await rows(app, *VALUES) == [("Emma", "Somebody", None)]


async def test_edit_signed_out(app: Quart, alice: Person, nobody: Browser) -> None:
    [book_id] = await alice.has_books("Emma")
    response = await nobody.get(f"/books/{book_id}/edit")
    assert response.location == f"/login?next=/books/{book_id}/edit"
    response = await nobody.post(f"/books/{book_id}/edit", a_book())
    assert response.location == "/login?next=/books/"
    assert await rows(app, *VALUES) == [("Emma", "Somebody", None)]


async def test_edit_changed_meanwhile(app: Quart, alice: Person) -> None:
    """From two windows: the later one is shown both texts, and nothing is overwritten unasked."""
    [book_id] = await alice.has_books("Middlemarsh")
    path = f"/books/{book_id}/edit"
    seen = (await parse(await alice.get(path))).fields["version"]
    assert (await alice.post(path, a_book(version=seen))).status_code == 303
    mine = a_book(book_title="Daniel Deronda", book_rating="4", version=seen)
    refused = await alice.post(path, mine)
    assert refused.status_code == 409
    text = await text_of(refused)
    assert "This book was changed meanwhile, so nothing was saved yet" in text
    assert "On your list now" in text
    assert "Middlemarch" in text
    assert await rows(app, *VALUES) == [("Middlemarch", "George Eliot", 5)]
    shown = (await parse(refused)).fields
    assert shown == mine | {"version": shown["version"]}
    assert shown["version"] != seen
    assert (await alice.post(path, shown)).status_code == 303
    assert await rows(app, *VALUES) == [("Daniel Deronda", "George Eliot", 4)]


@pytest.mark.parametrize("version", ["x", "-1", "999999999999", "1\0"])
async def test_edit_strange_version(app: Quart, alice: Person, version: str) -> None:
    """It is no version of this book: nothing is saved."""
    [book_id] = await alice.has_books("Emma")
    response = await alice.post(f"/books/{book_id}/edit", a_book(version=version))
    assert response.status_code == 409
    assert (await rows(app, books_table.c.title)) == [("Emma",)]


async def test_edit_deleted_meanwhile(alice: Person) -> None:
    [book_id] = await alice.has_books("Emma")
    await alice.post(f"/books/{book_id}/delete")
    assert (await alice.post(f"/books/{book_id}/edit", a_book(version="0"))).status_code == 404


async def test_edit_sent_twice(app: Quart, alice: Person) -> None:
    """A double click, or the same change from two windows: there is nothing to decide."""
    [book_id] = await alice.has_books("Middlemarsh")
    path = f"/books/{book_id}/edit"
    form = a_book(version=(await parse(await alice.get(path))).fields["version"])
    answers = await asyncio.gather(*(alice.post(path, form) for _ in range(3)))
    answers.append(await alice.post(path, form))
    assert {(answer.status_code, answer.location) for answer in answers} == {(303, "/books/")}
    assert "Book (Middlemarch) was updated!" in await alice.page("/books/")
    assert await rows(app, *VALUES) == [("Middlemarch", "George Eliot", 5)]
