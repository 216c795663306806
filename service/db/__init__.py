"""The database of an application, and the two ways to use it: `read` and `transaction`.

Every failure of the database leaves here as DatabaseUnavailableError.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Protocol

from quart import Quart, current_app

from service.config import Settings
from service.db.connection_queue import ConnectionQueue
from service.db.failures import is_unavailable
from service.db.statements import Connection
from service.exceptions import DatabaseUnavailableError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from service.db.postgresql import PostgreSQL
    from service.db.sqlite import SQLite

# Longest time for one `read()` or `transaction()`, from waiting for a connection to the commit.
# Longer than `statement_timeout` (3 s), so that PostgreSQL's more precise error comes first;
# shorter than the 5 s that people wait.
UNIT_TIMEOUT = 4.0  # seconds


class Database:
    """The database of one application."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool = _pool(settings)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """Lend a connection that commits each statement by itself.

        For reads, and for a write of one statement: a transaction takes two round trips more.
        """
        with _failures():
            async with asyncio.timeout(UNIT_TIMEOUT), self.pool.connect() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection in a transaction, which an error in the block rolls back."""
        with _failures():
            async with (
                asyncio.timeout(UNIT_TIMEOUT),
                self.pool.connect(to_write=True) as connection,
                connection.transaction(),
            ):
                yield connection


def init_app(app: Quart, settings: Settings) -> None:
    """Give the application its database, which is open while it serves."""
    database = app.extensions["database"] = Database(settings)

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        await database.pool.open()
        yield
        await database.pool.close()


def get_database() -> Database:
    """Return the current application's database."""
    database: Database = current_app.extensions["database"]
    return database


@asynccontextmanager
async def read() -> AsyncIterator[Connection]:
    """Lend a connection that commits each statement by itself: reads, a write of one statement."""
    async with get_database().read() as connection:
        yield connection


@asynccontextmanager
async def transaction() -> AsyncIterator[Connection]:
    """Lend a connection in a transaction, which an error in the block rolls back."""
    async with get_database().transaction() as connection:
        yield connection


@asynccontextmanager
async def trial() -> AsyncIterator["AsyncConnection"]:
    """Lend a connection of SQLAlchemy's, in place of one of the pool, in a transaction.

    The transaction is rolled back at the end of the block.
    """
    from service.db.sqlite import connect_apart

    with _failures():
        database = get_database()
        async with (
            asyncio.timeout(UNIT_TIMEOUT),
            database.pool.reserve(),
            connect_apart(database.settings.database) as connection,
            connection.begin() as transaction,
        ):
            yield connection
            await transaction.rollback()


class Pool(Protocol):
    """The connections of one process, as they are measured."""

    kept: int
    queue: ConnectionQueue


def _pool(settings: Settings) -> "PostgreSQL | SQLite":
    sizes = (settings.db_pool_size, settings.db_max_overflow)
    if settings.database.is_sqlite:
        from service.db.sqlite import SQLite

        return SQLite(settings.database, *sizes)
    from service.db.postgresql import PostgreSQL

    return PostgreSQL(settings.database, *sizes)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if is_unavailable(error):
            raise DatabaseUnavailableError from error
        raise
