"""How every engine of ours connects: errors in words, and no pooler that shares sessions.

A pooler in transaction mode gives each transaction to any of its sessions. asyncpg names prepared
statements by counting in each process, so that one process would run the statements of another
one; and the lock that a migration holds would stay behind in a session that nobody has.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from service.db.explanations import explain, kind_of
from service.db.failures import (
    MissingFileError,
    SharedSessionError,
    UnusableDatabaseError,
    meaning_while_connecting,
)

_SESSION = "SELECT pg_backend_pid()"


def watch_connecting(engine: AsyncEngine) -> None:
    """Raise UnusableDatabaseError for whatever connecting raises, and for a shared session."""
    looked = engine.dialect.name != "postgresql"

    @event.listens_for(engine.sync_engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        nonlocal looked
        with _explained(), _no_socket_taken_for_a_file(options.get("host")):
            connection = dialect.connect(*arguments, **options)
        if not looked:
            try:
                with _explained():
                    _require_own_session(connection, dialect, arguments, options)
            except BaseException:
                connection.driver_connection.terminate()
                raise
            looked = True
        return connection


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        meaning = meaning_while_connecting(error)
        raise UnusableDatabaseError(explain(error), meaning, kind_of(error)) from error


@contextmanager
def _no_socket_taken_for_a_file(host: str | list[str] | None) -> Iterator[None]:
    """Where no host is a socket's folder, a file that is missing is none that will come."""
    try:
        yield
    except FileNotFoundError as error:
        hosts = [host] if isinstance(host, str) else host
        if hosts and not any(name.startswith("/") for name in hosts):
            raise MissingFileError(error.filename or error.strerror) from error
        raise


def _require_own_session(connection: Any, dialect: Any, arguments: Any, options: Any) -> None:
    """Raises SharedSessionError where a second connection has the session of this one."""
    driver = connection.driver_connection
    session = await_only(driver.fetchval(_SESSION))
    # A pooler tells its clients numbers of its own, by which it knows what they want to cancel.
    if session == driver.get_server_pid():
        return
    try:
        other = dialect.connect(*arguments, **options)
    except Exception:
        return  # none is to be had for the moment: in session mode they are few
    try:
        shared = await_only(other.driver_connection.fetchval(_SESSION)) == session
    finally:
        other.driver_connection.terminate()
    if shared:
        raise SharedSessionError(f"two connections have one session, {session}")
