"""The meaning of an error of the database or of its driver. `failure_texts` has it in words.

The only table of SQLSTATEs, SQLite's result codes and the drivers' own errors. Sources:
PostgreSQL's appendix "Error Codes", SQLite's "Result and Error Codes", asyncpg's `connect_utils`,
PgBouncer's messages.
"""

import ssl
import sys
from enum import Enum

from sqlalchemy.exc import DBAPIError


class Meaning(Enum):
    """How long an error will last."""

    PASSING = "passing"  # it ends by itself: a start, a restart, too much work, a lock
    REFUSED = "refused"  # it ends when an operator changes the server, the role or the schema
    SETTING = "setting"  # it ends when a variable, or a file that one names, is changed
    OURS = "ours"  # a statement or a value is wrong: a fault of the service


# By SQLSTATE or its beginning. The longest entry that fits counts.
_STATES = {
    "08": Meaning.PASSING,  # the connection failed; all errors of PgBouncer, see _POOLER_REFUSALS
    "0A000": Meaning.PASSING,  # a plan that a migration made stale is another one the next time
    "25006": Meaning.REFUSED,  # the server or the role only reads
    "25P03": Meaning.PASSING,  # the transaction was idle for too long
    "25P04": Meaning.PASSING,  # the transaction took too long
    "26000": Meaning.REFUSED,  # a prepared statement is gone: a pooler in transaction mode
    "28": Meaning.REFUSED,  # the role, its password, or no line for it in pg_hba.conf
    "2200H": Meaning.REFUSED,  # a sequence has reached its end
    "3D000": Meaning.REFUSED,  # the database does not exist
    "3F000": Meaning.REFUSED,  # the schema does not exist
    "40": Meaning.PASSING,  # a deadlock or a serialization failure
    "42501": Meaning.REFUSED,  # a right is not granted
    "42703": Meaning.REFUSED,  # a column does not exist: not migrated
    "42P01": Meaning.REFUSED,  # a table does not exist: not migrated
    "42P05": Meaning.REFUSED,  # a prepared statement exists: a pooler in transaction mode
    "53": Meaning.PASSING,  # no memory, disk or connection is left
    "55P03": Meaning.PASSING,  # a lock is not to be had
    "57": Meaning.PASSING,  # starting, stopping, ended by an administrator or a time-out
    "57P04": Meaning.REFUSED,  # the database was dropped
    "58": Meaning.PASSING,  # an error of the server's operating system
    "XX": Meaning.PASSING,  # an error inside of the server, such as a relation changed meanwhile
}
# These come from settings in the `options` of DATABASE_URL. While connecting, every other SQLSTATE
# is a refusal, because no statement of the service has run.
_SETTING_STATES = ("22023", "42704", "55P02")
# PgBouncer sends the same SQLSTATE, 08P01, with every message. Other messages are passing errors.
_POOLER_REFUSALS = (
    "unsupported startup parameter",
    "no such database",
    "no such user",
    "not allowed",
    "authentication failed",
    "SSL required",
    "certificate required",
    "login rejected",
)
_SHARED_SESSION_STATES = ("26000", "42P05")
_UNDEFINED_STATES = ("42703", "42P01", "3F000")
_LOCKED_STATES = ("55P03", "40P01")
_STATEMENT_TIME_OUT = "57014"

# SQLite's result codes, by the beginning of their names.
_SQLITE_CODES = {
    "SQLITE_BUSY": Meaning.PASSING,  # another connection writes
    "SQLITE_LOCKED": Meaning.PASSING,
    "SQLITE_FULL": Meaning.PASSING,  # the disk
    "SQLITE_IOERR": Meaning.PASSING,
    "SQLITE_READONLY": Meaning.REFUSED,
    "SQLITE_CANTOPEN": Meaning.REFUSED,  # the file, or one of those that SQLite makes beside it
    "SQLITE_PERM": Meaning.REFUSED,
    "SQLITE_NOTADB": Meaning.REFUSED,
    "SQLITE_CORRUPT": Meaning.REFUSED,
}
_SQLITE_UNDEFINED = ("no such table", "no such column")  # their code is that of any other error

_NO_TLS = "rejected SSL upgrade"  # asyncpg's, in a ConnectionError that has no errno


class UnusableDatabaseError(Exception):
    """Connecting failed, or the database lacks something. The text is one line without a secret."""

    def __init__(self, reason: str, meaning: Meaning, kind: str | None = None) -> None:
        super().__init__(reason)
        self.meaning = meaning
        self.kind = kind or reason  # see kind_of()


class NoFreeConnectionError(TimeoutError):
    """Every connection of the pool is in use, and none became free in time."""


class SharedSessionError(Exception):
    """A pooler gives the sessions of this process to other clients between two transactions."""


class MissingFileError(Exception):
    """A variable such as PGSSLCERT names a file that does not exist."""


_WRONG_SETTINGS = (PermissionError, IsADirectoryError, NotADirectoryError, MissingFileError)


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's own error. SQLAlchemy wraps most of them, some twice."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.driver_exception
    # asyncpg has no DBAPI: SQLAlchemy raises errors of its own from those of asyncpg.
    cause = error.__cause__
    return cause if cause is not None and is_of_asyncpg(cause) else error


def meaning_of(error: BaseException) -> Meaning:
    """Return the meaning of an error of a connection, or of connecting."""
    if isinstance(error, UnusableDatabaseError):
        return error.meaning
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Meaning.PASSING
    driver = driver_error(error)
    if state := sqlstate(driver):
        return _meaning_of_state(state, str(driver))
    if name := getattr(driver, "sqlite_errorname", None):
        return _meaning_of_code(name, str(driver))
    # The connection was lost under a statement. If it is a ValueError, too, a value is wrong.
    if isinstance(driver, _asyncpg("InterfaceError")):
        return Meaning.OURS if isinstance(driver, ValueError) else Meaning.PASSING
    # OSError: connect() raises some as they are. LookupError: Jinja's TemplateNotFound is both, and
    # no failure of the database.
    passing = isinstance(driver, OSError) or is_out_of_step(driver)
    return Meaning.PASSING if passing and not isinstance(driver, LookupError) else Meaning.OURS


def meaning_while_connecting(error: BaseException) -> Meaning:
    """Return the meaning of an error of connecting. It is never OURS."""
    driver = driver_error(error)
    state = sqlstate(driver)
    if state.startswith(_SETTING_STATES):
        return Meaning.SETTING
    if isinstance(driver, (*_WRONG_SETTINGS, *_asyncpg("ClientConfigurationError"))):
        return Meaning.SETTING
    unsupported = _asyncpg("UnsupportedClientFeatureError", "UnsupportedServerFeatureError")
    if isinstance(driver, (SharedSessionError, *unsupported)):
        return Meaning.REFUSED
    if has_no_tls(driver) or _is_handshake_refused(driver):
        return Meaning.REFUSED
    meaning = meaning_of(error)
    if meaning is not Meaning.OURS:
        return meaning
    from_outside = state or hasattr(driver, "sqlite_errorname")
    # Anything else comes from reading the arguments, PG… variables and files.
    return Meaning.REFUSED if from_outside else Meaning.SETTING


def is_of_asyncpg(error: BaseException) -> bool:
    """Return whether asyncpg raised the error."""
    return isinstance(error, _asyncpg("PostgresError", "InterfaceError", "InternalClientError"))


def is_out_of_step(error: BaseException) -> bool:
    """Return whether the connection must not be used again, although it is open.

    After a time-out the statement is still running, and its answer would be read as the answer to
    the next statement. InternalClientError is asyncpg's refusal of a connection that the server has
    just ended, before asyncpg has read that it is closed.
    """
    return isinstance(error, (TimeoutError, *_asyncpg("InternalClientError")))


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database cannot answer. Else the error is a fault of the service."""
    return meaning_of(error) is not Meaning.OURS


def is_locked(error: BaseException) -> bool:
    """Return whether another connection holds a lock: lock_timeout, a deadlock, SQLite's writer."""
    driver = driver_error(error)
    code = str(getattr(driver, "sqlite_errorname", ""))
    return sqlstate(driver) in _LOCKED_STATES or code.startswith("SQLITE_BUSY")


def is_time_out(error: BaseException | None) -> bool:
    """Return whether a statement reached a time-out, of the server or of this process."""
    driver = driver_error(error) if error is not None else None
    if driver is None or isinstance(driver, NoFreeConnectionError):
        return False  # no statement has run
    return isinstance(driver, TimeoutError) or sqlstate(driver) == _STATEMENT_TIME_OUT


def is_missing_table(error: BaseException) -> bool:
    """Return whether the statement names a table that does not exist."""
    driver = driver_error(error)
    if hasattr(driver, "sqlite_errorname"):
        return str(driver).startswith(_SQLITE_UNDEFINED[0])
    return sqlstate(driver) == "42P01"


def is_undefined(error: BaseException) -> bool:
    """Return whether a table or a column is missing."""
    driver = driver_error(error)
    if hasattr(driver, "sqlite_errorname"):
        return str(driver).startswith(_SQLITE_UNDEFINED)
    return sqlstate(driver) in _UNDEFINED_STATES


def is_shared_session(driver: BaseException) -> bool:
    """Return whether a pooler shares sessions, as `require_own_session` or a statement found."""
    return isinstance(driver, SharedSessionError) or sqlstate(driver) in _SHARED_SESSION_STATES


def is_refused_parameter(driver: BaseException) -> bool:
    """Return whether a pooler refuses a setting that connecting asks for."""
    return sqlstate(driver) == "08P01" and _POOLER_REFUSALS[0] in str(driver)


def has_no_tls(driver: BaseException) -> bool:
    """Return whether the server has no TLS, which sslmode asks for."""
    return isinstance(driver, ConnectionError) and _NO_TLS in str(driver)


def sqlstate(driver: BaseException) -> str:
    """Return the SQLSTATE of an error of PostgreSQL, else an empty text."""
    return getattr(driver, "sqlstate", None) or ""


def _asyncpg(*names: str) -> tuple[type[BaseException], ...]:
    """Return classes of asyncpg's errors by name. On SQLite nothing imports asyncpg: no class."""
    module = sys.modules.get("asyncpg.exceptions")
    return tuple(getattr(module, name) for name in names) if module else ()


def _meaning_of_state(state: str, text: str) -> Meaning:
    if state == "08P01" and any(refusal in text for refusal in _POOLER_REFUSALS):
        return Meaning.REFUSED
    fitting = [known for known in _STATES if state.startswith(known)]
    return _STATES[max(fitting, key=len)] if fitting else Meaning.OURS


def _meaning_of_code(name: str, text: str) -> Meaning:
    if text.startswith(_SQLITE_UNDEFINED):
        return Meaning.REFUSED
    fitting = (meaning for known, meaning in _SQLITE_CODES.items() if name.startswith(known))
    return next(fitting, Meaning.OURS)


def _is_handshake_refused(driver: BaseException) -> bool:
    """Return whether TLS was refused. An end of the connection, as in a restart, is no refusal."""
    ended = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
    return isinstance(driver, ssl.SSLError) and not isinstance(driver, ended)
