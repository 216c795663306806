"""GET /books/"""

import pytest
from quart import Quart
from sqlalchemy import update

from service.models import books_table
from tests.markup import parse
from tests.people import Browser, Person
from tests.statements import observed, run


async def test_list_empty(alice: Person) -> None:
    """An empty list says what to do next."""
    page = await alice.page("/books/")
    assert "Add" in page


async def test_list_newest_first(alice: Person) -> None:
    await alice.has_books("Oldest", "Middle", "Newest")
    page = await alice.page("/books/")
    assert page.index("Newest") < page.index("Middle") < page.index("Oldest")


@pytest.mark.parametrize("owned", [25, 400])
async def test_list_round_trips(app: Quart, alice: Person, owned: int) -> None:
    """A page of the list takes two statements, of which one authenticates, however long it is."""
    await alice.has_books(*(f"Book {number}" for number in range(owned)))
    statements: list[str] = []
    with observed(app, statements.append):
        response = await alice.get("/books/?after=9999")

    assert response.status_code == 200
    assert len(statements) == 2, statements


async def test_list_only_ones_own(alice: Person, bob: Person) -> None:
    """Another's books do not show, nor whether there are any."""
    await alice.has_books("Middlemarch")
    assert "Middlemarch" not in await bob.page("/books/")
    [book_id] = await bob.has_books("Emma")
    page = await bob.page(f"/books/?before={book_id - 1}")
    assert "Emma" in page
    assert "Middlemarch" not in await bob.page(f"/books/?after={book_id}")
    assert "Middlemarch" in await alice.page("/books/")


async def test_list_columns(app: Quart, alice: Person) -> None:
    """Each row has title, author, rating in words, and ways to edit and delete it."""
    [first, second] = await alice.has_books("Middlemarch", "Emma")
    await run(app, update(books_table).where(books_table.c.id == second).values(rating=4))
    page = await parse(await alice.get("/books/"))
    assert page.cells[:4] == ["Title", "Author", "Rating", "Actions"]
    assert page.cells[4:7] == ["Emma", "Somebody", "★★★★☆4 of 5"]
    assert page.cells[8:11] == ["Middlemarch", "Somebody", "Not rated"]
    for book_id in (first, second):
        assert {f"/books/{book_id}/edit", f"/books/{book_id}/delete"} <= set(page.links)
    assert "/books/add" in page.links


async def test_list_signed_out(nobody: Browser) -> None:
    response = await nobody.get("/books/")
    assert (response.status_code, response.location) == (303, "/login?next=/books/")


async def test_list_without_slash(alice: Person) -> None:
    response = await alice.get("/books?after=7")
    assert response.status_code == 308
    assert response.location == "/books/?after=7"
