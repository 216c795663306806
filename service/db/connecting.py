"""How every engine of ours connects: errors in words, and no pooler that shares sessions.

A pooler in transaction mode gives each transaction to any of its sessions. asyncpg names prepared
statements by counting in each process, so that one process would run the statements of another
one; and the lock that a migration holds would stay behind in a session that nobody has.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.util import await_only

from service.config.database_parameters import COMMAND_TIMEOUT
from service.db.failure_texts import explain, kind_of
from service.db.failures import (
    MissingFileError,
    SharedSessionError,
    UnusableDatabaseError,
    meaning_while_connecting,
)

if TYPE_CHECKING:
    from asyncpg import Connection as Driver
    from sqlalchemy.ext.asyncio import AsyncEngine

_SESSION = "SELECT pg_backend_pid()"


def watch_connecting(engine: "AsyncEngine") -> None:
    """Raise UnusableDatabaseError for every error of connecting, and for a shared session."""
    looked = engine.dialect.name != "postgresql"

    @event.listens_for(engine.sync_engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        nonlocal looked
        with explained(options.get("host")):
            connection = dialect.connect(*arguments, **options)
        if looked:
            return connection
        import asyncpg  # a service on SQLite starts without it

        try:
            with explained():
                driver = connection.driver_connection
                again = partial(asyncpg.connect, *arguments, **options)
                await_only(require_own_session(driver, again))
        except BaseException:
            connection.driver_connection.terminate()
            raise
        looked = True
        return connection


@contextmanager
def explained(host: str | list[str] | None = None) -> Iterator[None]:
    """Raise UnusableDatabaseError, with a text for operators, for every error of the block."""
    try:
        with _no_socket_taken_for_a_file(host):
            yield
    except Exception as error:
        meaning = meaning_while_connecting(error)
        raise UnusableDatabaseError(explain(error), meaning, kind_of(error)) from error


@contextmanager
def _no_socket_taken_for_a_file(host: str | list[str] | None) -> Iterator[None]:
    """Raise MissingFileError for a missing file that is not the socket of a starting server."""
    try:
        yield
    except FileNotFoundError as error:
        hosts = [host] if isinstance(host, str) else host
        if hosts and not any(name.startswith("/") for name in hosts):
            raise MissingFileError(error.filename or error.strerror) from error
        raise


async def require_own_session(
    connection: "Driver", connect_again: Callable[[], Awaitable["Driver"]]
) -> None:
    """Raise SharedSessionError if a second connection gets the session of this one."""
    session = await connection.fetchval(_SESSION, timeout=COMMAND_TIMEOUT)
    # A pooler sends its clients process numbers of its own, which they use to cancel statements.
    if session == connection.get_server_pid():
        return
    try:
        other = await connect_again()
    except Exception:
        return  # no connection is free: a pooler in session mode has few
    try:
        shared = await other.fetchval(_SESSION, timeout=COMMAND_TIMEOUT) == session
    finally:
        other.terminate()
    if shared:
        raise SharedSessionError(f"two connections have one session, {session}")
