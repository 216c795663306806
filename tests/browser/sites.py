"""A site to visit: gunicorn on a database, and the way behind the pages to put people there."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from quart import Quart

from service.app import create_app
from service.config import Settings
from tests.people import Person, add_person
from tests.servers import gunicorn


@dataclass(frozen=True)
class Site:
    """`app` uses the same database as the server at `url`, in this process."""

    url: str
    app: Quart

    async def person(self, *titles: str) -> Person:
        """Somebody new who is signed in, and has these books, the newest last."""
        person = await add_person(self.app, new_email())
        if titles:
            await person.has_books(*titles)
        return person


@asynccontextmanager
async def serving(
    database_url: str, folder: Path, *, app: str = "service.app:create_app()", workers: int = 2
) -> AsyncIterator[Site]:
    """A site on a database at head, with rate limits on, until the block ends."""
    environment = {
        "CONFIG_TYPE": "testing",
        "SECRET_KEY": secrets.token_urlsafe(32),
        "DATABASE_URL": database_url,
        "RATE_LIMITS": "on",
    }
    with gunicorn(environment, app=app, workers=workers) as server:
        own = create_app(Settings.from_env(environment, root=folder))
        async with own.test_app():
            yield Site(server.url, own)


def new_email() -> str:
    """An address that nobody has yet."""
    return f"reader-{secrets.token_hex(4)}@example.com"
