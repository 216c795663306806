"""Every row of every table, to see that a refused request has changed none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from quart import Quart

from service.models import AccessToken
from tests.api.programs import at_rest
from tests.test_routes import everything

Tables = dict[str, list[tuple[Any, ...]]]


@asynccontextmanager
async def unchanged(app: Quart) -> AsyncIterator[None]:
    """Fails where any row of any table was added, changed or taken away in the block."""
    before = await tables(app)
    yield
    assert await tables(app) == before


async def tables(app: Quart) -> Tables:
    """Every row of every table, but for the last use of tokens: it is noted beside the request."""
    await at_rest(app)
    found = await everything(app)
    names = [column.name for column in AccessToken.__table__.columns]
    used = names.index("last_used_at")
    tokens = found["access_tokens"]
    return found | {"access_tokens": [(*row[:used], *row[used + 1 :]) for row in tokens]}
