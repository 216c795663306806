"""Books and tokens of earlier releases whose texts show nothing: they can be found and mended."""

import pytest
from quart import Quart
from sqlalchemy import update

from service.models import access_tokens_table, books_table
from tests.api.programs import BOOKS, add_program
from tests.books.forms import a_book
from tests.markup import parse
from tests.people import Person, rows, text_of
from tests.statements import run
from tests.tokens.token_forms import has_tokens

TEXTS = ["\u200b", "\u3164", "\u2800\ufe0f", " ", "\u202e\U000e0041"]


async def has_book(app: Quart, person: Person, text: str) -> int:
    """A row as an earlier release could write it."""
    [book_id] = await person.has_books(text)
    await run(app, update(books_table).values(author=text))
    return book_id


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
async def test_pages(app: Quart, alice: Person, text: str) -> None:
    """The list, the form's page and the question say that nothing is visible; the form has it."""
    book_id = await has_book(app, alice, text)
    listed = await parse(await alice.get("/books/"))
    assert listed.cells[4:6] == ["(no visible title)", "(no visible author)"]
    assert listed.source.count('<span class="vh"> <bdi>(no visible title)</bdi></span>') == 2
    assert f"/books/{book_id}/edit" in listed.links
    edit = await parse(await alice.get(f"/books/{book_id}/edit"))
    assert (edit.fields["book_title"], edit.fields["book_author"]) == (text, text)
    asked = await alice.page(f"/books/{book_id}/delete")
    assert "(no visible title)" in asked
    assert "(no visible author)" in asked


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
async def test_pages_change(app: Quart, alice: Person, text: str) -> None:
    """Saving asks for a title that shows. Another window sees which book it was."""
    book_id = await has_book(app, alice, text)
    path = f"/books/{book_id}/edit"
    assert (await alice.post(path, a_book(book_title=text))).status_code == 422
    stale = await alice.post(path, a_book(version="77"))
    assert stale.status_code == 409
    assert "(no visible title)" in await text_of(stale)
    assert (await alice.post(path, a_book())).status_code == 303
    assert await rows(app, books_table.c.title, books_table.c.author) == [
        ("Middlemarch", "George Eliot")
    ]


async def test_pages_delete(app: Quart, alice: Person) -> None:
    book_id = await has_book(app, alice, "\u200b")
    assert (await alice.post(f"/books/{book_id}/delete")).status_code == 303
    assert "Book (no visible title) was deleted!" in await alice.page("/books/")
    assert await rows(app, books_table.c.id) == []


async def test_programs(app: Quart, alice: Person) -> None:
    """They get the text as it is kept, and can change the rest of the book."""
    program = await add_program(app, alice.id)
    book_id = await has_book(app, alice, "\u200b")
    path = f"{BOOKS}/{book_id}"
    assert (await (await program.get(path)).get_json())["title"] == "\u200b"
    assert (await program.patch(path, {"rating": 4})).status_code == 200
    assert await rows(app, books_table.c.title, books_table.c.rating) == [("\u200b", 4)]
    assert (await program.delete(path)).status_code == 204


async def test_token(app: Quart, alice: Person) -> None:
    [token_id] = await has_tokens(app, alice, "\u200b")
    path = "/profile/tokens"
    listed = (await parse(await alice.get(path))).source
    assert listed.count("(no visible name)") == 2
    assert "(no visible name)" in await alice.page(f"{path}/{token_id}/revoke")
    await alice.post(f"{path}/{token_id}/revoke")
    assert "Token (no visible name) was revoked!" in await alice.page(path)
    assert await rows(app, access_tokens_table.c.id) == []
