"""The engine, opened and closed with serving, and the two ways to use it: `read` and `transaction`.

Whatever goes wrong between us and the database leaves here as DatabaseUnavailableError.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from asyncpg.exceptions import InterfaceError, PostgresError
from quart import Quart, current_app
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.util import await_only

from service.config import Settings
from service.exceptions import DatabaseUnavailableError
from service.statements import OUT_OF_STEP

# Nobody is left waiting for more than 5 seconds by a database that does not answer. A request does
# one thing after the other, and the first that is given up ends it; so each has this long, from
# waiting for a connection to the commit. Above the time-outs of the server, which can say more.
UNIT_TIMEOUT = 4.0  # seconds
# With LOCK_TIMEOUT below 3 seconds, when a lock holds every connection. In one second a pool does
# hundreds of statements: who is not served by then comes to a database that is overloaded.
POOL_TIMEOUT = 1.0  # seconds to wait for a free connection before answering 503
POOL_RECYCLE = 900  # seconds; shorter than the idle limits of the proxies that we know of
IDLE_CHECK = 5.0  # seconds unused after which a connection is pinged before it is used again
PING_TIMEOUT = 1.0  # seconds; leaves time to connect anew, and to be served
SQLITE_BUSY_TIMEOUT = 3_000  # milliseconds to wait for another writer; below UNIT_TIMEOUT
# PostgreSQL's answers that mean "not now": connection failures (08), a transaction that was idle
# too long (25P03) or a server that only reads (25006), who we are (28) or the database (3D000) not
# known there, a deadlock or the like (40), a right not granted (42501), no resources (53), a lock
# not to be had (55P03), ended by the operator or a time-out (57), its disk (58). A plan that a
# migration made stale (0A000) is another one the next time.
_UNAVAILABLE_STATES = (
    "08", "0A000", "25006", "25P03", "28", "3D000", "40", "42501", "53", "55P03", "57", "58",
)  # fmt: skip
# SQLite has no states that reach us, only texts.
_UNAVAILABLE_TEXTS = (
    "database is locked",
    "readonly database",
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
)


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
        )
        if database.is_sqlite:
            _prepare_sqlite(self.engine)
        else:
            _watch_connections(self.engine)
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
        async with asyncio.timeout(UNIT_TIMEOUT), get_database().engine.connect() as connection:
            yield connection


@asynccontextmanager
async def transaction() -> AsyncIterator[AsyncSession]:
    """A session in one transaction: committed at the end of the block, rolled back by an error."""
    with _failures():
        session = AsyncSession(get_database().writer, expire_on_commit=False)
        async with asyncio.timeout(UNIT_TIMEOUT), session, session.begin():
            yield session


def is_unavailable(error: BaseException) -> bool:
    """Whether an error means that the database cannot answer now, rather than that we are wrong."""
    if isinstance(error, DBAPIError):
        return (
            error.connection_invalidated
            or is_unavailable(_driver_error(error.orig))
            or any(text in str(error.orig) for text in _UNAVAILABLE_TEXTS)
        )
    if isinstance(error, PostgresError):
        return (getattr(error, "sqlstate", None) or "").startswith(_UNAVAILABLE_STATES)
    if isinstance(error, InterfaceError):  # the connection was lost under a statement,
        return not isinstance(error, ValueError)  # unless it is about a value of ours
    # Refused, unreachable, or a name that does not resolve: connect() raises these as they are.
    # LookupError: a template that is not there is an OSError, too, to Jinja.
    return isinstance(error, (OSError, PoolTimeoutError, *OUT_OF_STEP)) and not isinstance(
        error, LookupError
    )


def _driver_error(error: BaseException | None) -> BaseException:
    """asyncpg's own error, around which SQLAlchemy puts another one, though not always."""
    return (error and error.__cause__) or error or Exception()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if is_unavailable(error):
            raise DatabaseUnavailableError from error
        raise


def _watch_connections(engine: AsyncEngine) -> None:
    """Hand out no connection to PostgreSQL that is known to be dead, and wait for none that is.

    The pool's own `pre_ping` asks the server every time: a round trip for each of the two that a
    page needs. What asyncpg has noticed by itself costs nothing to ask.
    """
    pool = engine.sync_engine.pool
    broken_at = 0.0

    @event.listens_for(pool, "checkin")
    def note_time(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(pool, "checkout")
    def check(connection: Any, record: Any, _fairy: Any) -> None:
        driver = connection.driver_connection
        if driver.is_closed():
            # The pool connects anew, but not for ever: one closed as soon as it was made is ours.
            raise DisconnectionError if "idle_since" in record.info else ConnectionError
        now = time.monotonic()
        if now - record.info.get("idle_since", now) < IDLE_CHECK:
            return
        try:
            await_only(driver.fetchrow(";", timeout=PING_TIMEOUT))
        except Exception as error:
            # It takes the others of its age with it: the server was restarted, or is out of reach.
            raise InvalidatePoolError from error
        except BaseException:
            driver.terminate()  # the pool would take it back with the ping still under way
            raise

    @event.listens_for(pool, "invalidate")
    def abandon(connection: Any, _record: Any, _error: Any) -> None:
        # Closing politely waits seconds for a server that may not be there.
        nonlocal broken_at
        broken_at = time.time()
        connection.driver_connection.terminate()

    @event.listens_for(pool, "close")
    def leave(connection: Any, record: Any) -> None:
        if record.starttime < broken_at:
            connection.driver_connection.terminate()

    @event.listens_for(engine.sync_engine, "handle_error")
    def give_up(context: Any) -> None:
        if isinstance(_driver_error(context.original_exception), OUT_OF_STEP):
            context.is_disconnect = True


def _prepare_sqlite(engine: AsyncEngine) -> None:
    """Readers beside one writer, foreign keys held, and write transactions that queue up."""

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"busy_timeout={SQLITE_BUSY_TIMEOUT}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # A deferred BEGIN that writes after it has read fails at once when another wrote
        # meanwhile, whatever the busy time-out: ask for the write lock at the start.
        if "isolation_level" in connection.get_execution_options():  # the writer's
            connection.exec_driver_sql("BEGIN IMMEDIATE")
