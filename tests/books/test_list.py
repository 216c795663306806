"""GET /books/"""

import pytest
from quart import Quart
from sqlalchemy import event

from tests.people import Browser, Person


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
    engine = app.extensions["database"].engine.sync_engine
    statements = []
    record = lambda *args: statements.append(args[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", record)
    response = await alice.get("/books/?after=9999")
    event.remove(engine, "before_cursor_execute", record)

    assert response.status_code == 200
    assert len(statements) == 2, statements
