"""The engine, opened and closed with serving, and the two ways to use it: `read` and `transaction`.

Whatever goes wrong between us and the database leaves here as DatabaseUnavailableError.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from asyncpg.exceptions import InterfaceError, PostgresError
from quart import Quart, current_app
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from service.config import Settings
from service.exceptions import DatabaseUnavailableError

POOL_TIMEOUT = 2.0  # seconds to wait for a free connection before answering 503
POOL_RECYCLE = 900  # seconds; shorter than the idle limits of the proxies that we know of
IDLE_CHECK = 5.0  # seconds unused after which a connection is pinged before it is used again
SQLITE_BUSY_TIMEOUT = 5_000  # milliseconds to wait for another writer
# PostgreSQL's answers that mean "not now": connection failures (08), no resources (53), ended by
# the operator or a time-out (57), a lock not to be had (55P03), a read-only server (25006).
_UNAVAILABLE_STATES = ("08", "53", "57", "55P03", "25006")


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
        _check_idle_connections(self.engine)
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
        async with get_database().engine.connect() as connection:
            yield connection


@asynccontextmanager
async def transaction() -> AsyncIterator[AsyncSession]:
    """A session in one transaction: committed at the end of the block, rolled back by an error."""
    with _failures():
        engine = get_database().writer
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            yield session


def is_unavailable(error: BaseException) -> bool:
    """Whether an error means that the database cannot answer now, rather than that we are wrong."""
    if isinstance(error, DBAPIError):
        return (
            error.connection_invalidated
            or _is_unavailable_state(error.orig)
            or any(text in str(error.orig) for text in ("database is locked", "readonly database"))
        )
    if isinstance(error, PostgresError):  # asyncpg's own, from connect() and service.statements
        return _is_unavailable_state(error)
    # Refused, unreachable, or a name that does not resolve: connect() raises these as they are.
    # InterfaceError: the connection was lost under a statement.
    return isinstance(error, (OSError, TimeoutError, PoolTimeoutError, InterfaceError))


def _is_unavailable_state(error: BaseException | None) -> bool:
    return (getattr(error, "sqlstate", None) or "").startswith(_UNAVAILABLE_STATES)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if is_unavailable(error):
            raise DatabaseUnavailableError from error
        raise


def _check_idle_connections(engine: AsyncEngine) -> None:
    """Ping a connection that was idle for a while before handing it out.

    The pool's own `pre_ping` does it every time: a round trip for each of the two that a page
    needs. One that turns out dead takes the others of its age with it: the server was restarted.
    """
    pool, dialect = engine.sync_engine.pool, engine.sync_engine.dialect

    @event.listens_for(pool, "checkin")
    def note_time(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(pool, "checkout")
    def ping(connection: Any, record: Any, _fairy: Any) -> None:
        now = time.monotonic()
        if now - record.info.get("idle_since", now) < IDLE_CHECK:
            return
        try:
            dialect.do_ping(connection)
        except Exception as error:
            raise InvalidatePoolError from error


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
