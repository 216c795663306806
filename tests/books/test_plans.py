"""PostgreSQL reads what a page of a list shows and no more, whoever has most of the table."""

import json
import re
from typing import Any

import pytest
from quart import Quart

from service import db
from service.books import queries
from service.books.queries import Order, Place
from tests.people import Person, add_user
from tests.statements import run, run_on

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

MANY = 30_000  # enough for the planner to prefer an index
OTHERS = 100
INDEXES = {
    "-created_at": "books_user_id_id_idx",
    "created_at": "books_user_id_id_idx",
    "title": "books_user_id_title_id_idx",
    "-title": "books_user_id_title_id_idx",
}
FILL = """
    INSERT INTO books (title, author, user_id, created_at, updated_at)
    SELECT 'Title ' || n % 1000, 'Somebody', {owner}, now(), now()
    FROM generate_series(1, {number}) AS n
"""


@pytest.fixture
async def old_owner(app: Quart, alice: Person) -> int:
    """Half of the table is theirs, and older than the books of everybody else."""
    await run(app, FILL.format(owner=alice.id, number=MANY))
    others = [await add_user(app, f"{number}@example.com") for number in range(OTHERS)]
    spread = f"{others[0]} + n % {OTHERS}"
    await run(app, FILL.format(owner=spread, number=MANY))
    async with app.app_context(), db.read() as connection:
        await run_on(connection, "VACUUM ANALYZE books")
    return alice.id


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", []) for node in nodes(inner))]


async def scans(app: Quart, owner: int, order: Order, place: Place | None) -> list[dict[str, Any]]:
    """The scans of a list's statement, run with a plan that is made for its values."""
    async with app.app_context(), db.read() as connection:
        values: dict[str, object] = {"owner": owner, "count": 26}
        if place is not None:
            names = ("place_title", "place_id") if len(place) == 2 else ("place_id",)
            values |= dict(zip(names, place, strict=True))
        list_of_order = queries._LISTS[order]
        wanted = list_of_order.first if place is None else list_of_order.after
        statement, parameters, _ = wanted.for_asyncpg
        for number in range(len(parameters), 0, -1):
            value = values[parameters[number - 1]]
            literal = f"'{value}'" if isinstance(value, str) else str(value)
            statement = re.sub(rf"\${number}\b", literal, statement)
        [(found,)] = await run_on(
            connection, f"EXPLAIN (ANALYZE, FORMAT JSON) {escaped(statement)}"
        )
    [whole] = json.loads(found) if isinstance(found, str) else found
    return [node for node in nodes(whole["Plan"]) if "Scan" in node["Node Type"]]


def escaped(statement: str) -> str:
    """For SQLAlchemy's `text`, which takes a colon before a word for a parameter."""
    return re.sub(r"(?<!:):(?=\w)", r"\\:", statement)


@pytest.mark.parametrize("order", INDEXES)
async def test_lists_read_their_own_index(app: Quart, old_owner: int, order: Order) -> None:
    """From the beginning and from a place, of the old owner of half and of a new one of few."""
    for owner in (old_owner, old_owner + 7):
        async with app.app_context(), db.read() as connection:
            books = await queries.list_books_in_order(connection, owner, order, None, 26)
        place = queries.place_of(books[12], order)
        for where in (None, place):
            for scan in await scans(app, owner, order, where):
                assert scan.get("Index Name") == INDEXES[order], scan
                assert scan["Actual Rows"] <= 26, scan
                assert scan.get("Rows Removed by Filter", 0) == 0, scan
