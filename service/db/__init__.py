"""The engine, opened and closed with serving, and the two ways to use it: `read` and `transaction`.

Whatever goes wrong between us and the database leaves here as DatabaseUnavailableError.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from asyncpg import Connection as Driver
from quart import Quart, current_app
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from service.config import Settings
from service.db.connecting import watch_connecting
from service.db.failures import is_unavailable
from service.db.pool import Borrowed, ReadyPool, connected, prepare_sqlite, watch_connections
from service.exceptions import DatabaseUnavailableError

# Nobody is left waiting for more than 5 seconds by a database that does not answer. A request does
# one thing after the other, and the first that is given up ends it; so each has this long, from
# waiting for a connection to the commit. Above the time-outs of the server, which can say more.
UNIT_TIMEOUT = 4.0  # seconds
# With LOCK_TIMEOUT below 3 seconds, when a lock holds every connection. In one second a pool does
# hundreds of statements: who is not served by then comes to a database that is overloaded.
POOL_TIMEOUT = 1.0  # seconds to wait for a free connection before answering 503
POOL_RECYCLE = 900  # seconds; shorter than the idle limits of the proxies that we know of


class Database:
    """The engine of one application; each statement on it commits by itself.

    `writer` shares its connections and has transactions. It is this way round because changing a
    connection's mode takes time, and reads are what there is most of.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine: AsyncEngine
        self.writer: AsyncEngine

    def open(self) -> None:
        """Make the engine; it connects when it is first used."""
        settings = self.settings
        database = settings.database
        self.engine = create_async_engine(
            database.url,
            connect_args=dict(database.connect_args),
            pool_size=settings.db_pool_size,
            max_overflow=settings.db_max_overflow,
            pool_timeout=POOL_TIMEOUT,
            pool_recycle=POOL_RECYCLE,
            # Newest first: in quiet times the others grow old and are closed.
            pool_use_lifo=True,
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            poolclass=None if database.is_sqlite else ReadyPool,
        )
        watch_connecting(self.engine)
        if database.is_sqlite:
            prepare_sqlite(self.engine)
        else:
            watch_connections(self.engine)
        level = "SERIALIZABLE" if database.is_sqlite else "READ COMMITTED"
        self.writer = self.engine.execution_options(isolation_level=level)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def init_app(app: Quart, settings: Settings) -> None:
    """Give the application its database; the engine lives exactly as long as serving."""
    database = app.extensions["database"] = Database(settings)

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        database.open()
        yield
        await database.close()


def get_database() -> Database:
    """The current application's database."""
    database: Database = current_app.extensions["database"]
    return database


@asynccontextmanager
async def read() -> AsyncIterator[AsyncConnection]:
    """A connection that commits each statement by itself: no BEGIN or ROLLBACK to wait for."""
    with _failures():
        async with asyncio.timeout(UNIT_TIMEOUT), connected(get_database().engine) as connection:
            yield connection


@asynccontextmanager
async def read_at_once(database: Database) -> AsyncIterator[Driver | None]:
    """asyncpg's own connection where one lies ready, to use with `Read`; None where none does."""
    with _failures():
        async with asyncio.timeout(UNIT_TIMEOUT), Borrowed(database.engine) as driver:
            yield driver


@asynccontextmanager
async def transaction() -> AsyncIterator[AsyncSession]:
    """A session in one transaction: committed at the end of the block, rolled back by an error."""
    with _failures():
        async with (
            asyncio.timeout(UNIT_TIMEOUT),
            connected(get_database().writer) as connection,
            AsyncSession(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session


@asynccontextmanager
async def trial() -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that is rolled back at the end of the block."""
    with _failures():
        async with (
            asyncio.timeout(UNIT_TIMEOUT),
            connected(get_database().writer) as connection,
            connection.begin() as transaction,
        ):
            yield connection
            await transaction.rollback()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if is_unavailable(error):
            raise DatabaseUnavailableError from error
        raise
