"""Every row of every table, to see that a refused request has changed none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from quart import Quart
from sqlalchemy import select

from service import db
from service.models import access_tokens_table, books_table, metadata
from service.text.visible import is_visible
from tests.api.programs import at_rest
from tests.statements import run_on

Tables = dict[str, list[tuple[Any, ...]]]


@asynccontextmanager
async def unchanged(app: Quart) -> AsyncIterator[None]:
    """Fails where any row of any table was added, changed or taken away in the block."""
    before = await tables(app)
    yield
    assert await tables(app) == before


async def assert_visible(app: Quart) -> None:
    """Fails where a text that people are to see and click shows nothing."""
    async with app.app_context(), db.read() as connection:
        for column in (books_table.c.title, books_table.c.author, access_tokens_table.c.name):
            for (text,) in await run_on(connection, select(column)):
                assert is_visible(text), ascii(text)


async def tables(app: Quart) -> Tables:
    """Every row of every table, but for the last use of tokens: it is noted beside the request."""
    await at_rest(app)
    found: Tables = {}
    async with app.app_context(), db.read() as connection:
        for name, table in metadata.tables.items():
            columns = [it for it in table.c if it is not access_tokens_table.c.last_used_at]
            found[name] = await run_on(connection, select(*columns).order_by(columns[0]))
    return found
