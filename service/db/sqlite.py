"""Connections of SQLAlchemy's asyncio engine: the way to SQLite."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from sqlite3 import OperationalError
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Executable, NullPool, event
from sqlalchemy.sql import ClauseElement

from service.config.database_url import DatabaseSettings
from service.db.connecting import watch_connecting
from service.db.connection_queue import ConnectionQueue
from service.db.statements import Observer, Row, Statement

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

BUSY_TIMEOUT = 3_000  # milliseconds to wait for another writer; below db.UNIT_TIMEOUT


class SQLite:
    """The engine of one process: at most `kept` and `overflow` connections together.

    Each statement on `engine` commits by itself. `writer` shares its connections and has
    transactions.
    """

    dialect = "sqlite"

    def __init__(self, settings: DatabaseSettings, kept: int, overflow: int) -> None:
        self.kept = kept
        self.observer: Observer | None = None
        self._settings = settings
        self.queue = ConnectionQueue(kept + overflow)
        self._options = {"pool_size": kept, "max_overflow": overflow}
        self.engine: AsyncEngine
        self.writer: AsyncEngine

    async def open(self) -> None:
        """Make the engine; it connects when a connection is first asked for."""
        from sqlalchemy.ext.asyncio import create_async_engine  # imports the ORM, too

        self.engine = create_async_engine(
            self._settings.url,
            connect_args=dict(self._settings.connect_args),
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            **self._options,
        )
        watch_connecting(self.engine)
        _prepare(self.engine)
        self.writer = self.engine.execution_options(isolation_level="SERIALIZABLE")

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    async def expire(self) -> None:
        """Make new connections from now on."""
        await self.engine.dispose()

    @asynccontextmanager
    async def connect(self, *, to_write: bool = False) -> AsyncIterator["EngineConnection"]:
        """Lend a connection. Each statement commits by itself, unless it is lent `to_write`.

        Raises NoFreeConnectionError after connection_queue.POOL_TIMEOUT, and SQLAlchemyError.
        """
        engine = self.writer if to_write else self.engine
        start = await self.queue.enter()
        try:
            async with engine.connect() as connection:
                yield EngineConnection(connection, self.observer)
        finally:
            self.queue.leave(start)

    @asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        """Do nothing: SQLite has no bound on the number of connections."""
        yield


class EngineConnection:
    """A connection of an engine of SQLAlchemy's, on either database.

    The engine decides whether each statement commits by itself.
    """

    def __init__(self, connection: "AsyncConnection", observer: Observer | None = None) -> None:
        self._connection = connection
        self._observer = observer
        self.dialect = connection.dialect.name

    async def fetch(self, statement: Statement[Any], values: dict[str, object]) -> Sequence[Row]:
        """Run a statement, and return its rows. Raises SQLAlchemyError."""
        executable = statement.for_dialect(self.dialect)
        with self._observer(self._text(executable)) if self._observer else nullcontext():
            result = await self._connection.execute(executable, values)
            return result.all() if result.returns_rows else ()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit at the end of the block; an error rolls everything back."""
        transaction = self._connection.begin()
        await self._observed("BEGIN", transaction.start)
        try:
            yield
        except BaseException:
            await self._observed("ROLLBACK", transaction.rollback)
            raise
        await self._observed("COMMIT", transaction.commit)

    async def _observed(self, command: str, run: Callable[[], Any]) -> None:
        with self._observer(command) if self._observer else nullcontext():
            await run()

    def _text(self, statement: Executable) -> str:
        clause = cast(ClauseElement, statement)
        return str(clause.compile(dialect=self._connection.dialect))


@asynccontextmanager
async def connect_apart(settings: DatabaseSettings) -> AsyncIterator["AsyncConnection"]:
    """Connect to either database, outside of the pool, for what needs SQLAlchemy itself."""
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(
        settings.url,
        connect_args=dict(settings.connect_args),
        poolclass=NullPool,
        hide_parameters=True,
    )
    watch_connecting(engine)
    writer = engine
    if settings.is_sqlite:
        _prepare(engine)
        writer = engine.execution_options(isolation_level="SERIALIZABLE")
    try:
        async with writer.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def _prepare(engine: "AsyncEngine") -> None:
    """Readers beside one writer, foreign keys held, and write transactions that queue up."""

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        # The mode stays in the file. Switching to it fails while another process has the file open,
        # as when two workers start on a new file. The next connection tries again. Without the
        # mode, readers wait for a writer.
        cursor.execute("PRAGMA busy_timeout=0")
        with suppress(OperationalError):
            cursor.execute("PRAGMA journal_mode=WAL")
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT}",  # first: the others may have to wait
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # A deferred BEGIN that writes after it has read fails at once when another connection
        # wrote meanwhile, whatever the busy time-out: ask for the write lock at the start.
        if "isolation_level" in connection.get_execution_options():  # the writer's
            connection.exec_driver_sql("BEGIN IMMEDIATE")
