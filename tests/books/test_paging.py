"""GET /books/?after=… and ?before=…"""

import pytest
from quart import Quart
from sqlalchemy import delete

from service.models import books_table
from tests.markup import Page, parse
from tests.people import Person, text_of
from tests.statements import run

SIZE = 25


def titles(page: Page) -> list[str]:
    return page.cells[4::4]


def way(page: Page, word: str) -> str | None:
    """Where the link to older or newer books leads."""
    found = [link for link in page.links if link.startswith(f"/books/?{word}=")]
    assert len(found) < 2
    return found[0] if found else None


def numbers(first: int, last: int) -> list[str]:
    """Titles from the newest to the oldest."""
    return [f"Book {number}" for number in range(first, last - 1, -1)]


@pytest.mark.parametrize("owned", [1, 24, 25, 26, 50, 51])
async def test_paging_there_and_back(alice: Person, owned: int) -> None:
    """Every book is on exactly one page, and the way back shows the same pages again."""
    await alice.has_books(*(f"Book {number}" for number in range(1, owned + 1)))
    there, address = [], "/books/"
    while True:
        page = await parse(await alice.get(address))
        assert 1 <= len(titles(page)) <= SIZE
        there.append(titles(page))
        older = way(page, "after")
        if older is None:
            break
        address = older
    assert [title for part in there for title in part] == numbers(owned, 1)
    assert [len(part) for part in there[:-1]] == [SIZE] * (len(there) - 1)

    back = [titles(page)]
    while newer := way(page, "before"):
        page = await parse(await alice.get(newer))
        back.append(titles(page))
    assert back[::-1] == there


async def test_paging_links(alice: Person) -> None:
    """The newest page leads to older books only, the oldest to newer ones only."""
    await alice.has_books(*(f"Book {number}" for number in range(1, 61)))
    newest = await parse(await alice.get("/books/"))
    assert way(newest, "before") is None
    middle = await parse(await alice.get(way(newest, "after") or ""))
    assert way(middle, "before")
    oldest = await parse(await alice.get(way(middle, "after") or ""))
    assert titles(oldest) == numbers(10, 1)
    assert way(oldest, "after") is None


async def test_paging_survives_changes(app: Quart, alice: Person) -> None:
    """Books that come or go meanwhile neither repeat nor hide others."""
    ids = await alice.has_books(*(f"Book {number}" for number in range(1, 61)))
    address = way(await parse(await alice.get("/books/")), "after")
    assert address is not None
    await alice.has_books("Just added")
    await run(app, delete(books_table).where(books_table.c.id.in_((ids[35], ids[34], ids[59]))))
    page = await parse(await alice.get(address))
    assert titles(page) == [*numbers(34, 10)]


async def test_paging_beyond_the_end(alice: Person) -> None:
    """A page that has become empty says so and leads back."""
    [book_id] = await alice.has_books("Emma")
    response = await alice.get(f"/books/?after={book_id}")
    assert response.status_code == 200
    assert "No books on this page" in await text_of(response)
    assert "/books/" in (await parse(response)).links


async def test_paging_beyond_the_beginning(alice: Person) -> None:
    [book_id] = await alice.has_books("Emma")
    response = await alice.get(f"/books/?before={book_id}")
    assert response.status_code == 200
    assert titles(await parse(response)) == []


async def test_paging_place_of_another(alice: Person, bob: Person) -> None:
    """A place is a number: that of somebody else's book shows nothing of it."""
    await alice.has_books("Emma")
    [place] = await bob.has_books("Secret")
    page = await alice.page(f"/books/?after={place}")
    assert "Emma" in page
    assert "Secret" not in page


NO_PLACES = ["", "0", "-1", "+1", "01", "%201", "1%20", "1e3", "1.0", "%D9%A1", "abc", "null"]
NO_PLACES += [str(2**31), str(2**63), "9" * 5000, "1%00", "%FF", "1;2", "1'--"]


async def test_paging_no_place(alice: Person) -> None:
    """What is not the id of a possible book is refused, and never reaches the database."""
    for value in NO_PLACES:
        for name in ("after", "before"):
            response = await alice.get(f"/books/?{name}={value}")
            assert response.status_code == 422, value


@pytest.mark.parametrize("name", ["after", "before"])
async def test_paging_largest_place(alice: Person, name: str) -> None:
    assert (await alice.get(f"/books/?{name}={2**31 - 1}")).status_code == 200


async def test_paging_after_and_before(alice: Person) -> None:
    """A place to go on after and one to go on before cannot both be meant."""
    assert (await alice.get("/books/?after=9&before=3")).status_code == 422
