"""GET and POST /books/<id>/delete"""

import asyncio

import pytest
from quart import Quart

from service.models import books_table
from tests.markup import parse
from tests.people import Browser, Person, rows


async def test_delete_form(app: Quart, alice: Person) -> None:
    """A link, a prefetch or an image tag only asks: the book stays."""
    [book_id] = await alice.has_books("Emma")
    response = await alice.get(f"/books/{book_id}/delete")
    assert response.status_code == 200
    page = await parse(response)
    assert "Emma" in page.source
    assert page.forms == [("post", f"/books/{book_id}/delete")]
    assert "/books/" in page.links
    assert await rows(app, books_table.c.id) == [(book_id,)]


async def test_delete(app: Quart, alice: Person, bob: Person) -> None:
    [first, second] = await alice.has_books("Emma", "Middlemarch")
    [others] = await bob.has_books("Emma")
    response = await alice.post(f"/books/{first}/delete")
    assert (response.status_code, response.location) == (303, "/books/")
    page = await alice.page("/books/")
    assert "Book (Emma) was deleted!" in page
    assert await rows(app, books_table.c.id) == [(second,), (others,)]


async def test_delete_twice(alice: Person) -> None:
    """The second of two clicks finds nothing more to delete."""
    [book_id] = await alice.has_books("Emma")
    assert (await alice.post(f"/books/{book_id}/delete")).status_code == 303
    assert (await alice.post(f"/books/{book_id}/delete")).status_code == 404
    assert (await alice.get(f"/books/{book_id}/delete")).status_code == 404


async def test_delete_at_the_same_moment(alice: Person) -> None:
    [book_id] = await alice.has_books("Emma")
    responses = await asyncio.gather(*(alice.post(f"/books/{book_id}/delete") for _ in range(4)))
    assert sorted(response.status_code for response in responses) == [303, 404, 404, 404]


@pytest.mark.parametrize("method", ["get", "post"])
async def test_delete_of_another(app: Quart, alice: Person, bob: Person, method: str) -> None:
    """Another's book is not told from one that does not exist."""
    [book_id] = await alice.has_books("Emma")
    headers = {"X-Request-ID": "the-same-request"}
    answers = []
    for target in (book_id, 4711):
        ask = bob.get if method == "get" else bob.post
        response = await ask(f"/books/{target}/delete", headers=headers)
        assert response.status_code == 404
        answers.append((list(response.headers), await response.get_data()))
    assert answers[0] == answers[1]
    assert await rows(app, books_table.c.id) == [(book_id,)]


async def test_delete_signed_out(app: Quart, alice: Person, nobody: Browser) -> None:
    [book_id] = await alice.has_books("Emma")
    response = await nobody.get(f"/books/{book_id}/delete")
    assert response.location == f"/login?next=/books/{book_id}/delete"
    response = await nobody.post(f"/books/{book_id}/delete")
    assert response.location == "/login?next=/books/"
    assert await rows(app, books_table.c.id) == [(book_id,)]
