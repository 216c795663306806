"""What errors of the database and its drivers mean, and how they are told."""

import socket
import sqlite3
import ssl
from collections.abc import Iterator

import pytest
from asyncpg.exceptions import (
    ClientConfigurationError,
    DataError,
    PostgresError,
    TargetServerAttributeNotMatched,
    UnsupportedServerFeatureError,
)
from jinja2 import TemplateNotFound
from sqlalchemy.exc import DBAPIError

from service.db.failure_texts import explain
from service.db.failures import (
    Meaning,
    NoFreeConnectionError,
    UnusableDatabaseError,
    is_locked,
    is_time_out,
    meaning_of,
    meaning_while_connecting,
)

PASSING, REFUSED, SETTING, OURS = Meaning.PASSING, Meaning.REFUSED, Meaning.SETTING, Meaning.OURS


def of_postgresql(state: str, text: str = "told by the server") -> PostgresError:
    """As asyncpg makes it of an answer of the server's."""
    fields = {"S": "ERROR", "C": state, "M": text, "D": "a value of a row"}
    error: PostgresError = PostgresError.new(fields)
    return error


def of_sqlite(name: str, text: str = "told by SQLite") -> DBAPIError:
    """As SQLAlchemy wraps it."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return DBAPIError("SELECT secret", {}, error)


STATES = {
    "08006": PASSING,
    "0A000": PASSING,
    "22003": OURS,
    "2200H": REFUSED,
    "23505": OURS,
    "25006": REFUSED,
    "25P03": PASSING,
    "26000": REFUSED,
    "28000": REFUSED,
    "28P01": REFUSED,
    "3D000": REFUSED,
    "40001": PASSING,
    "40P01": PASSING,
    "42501": REFUSED,
    "42601": OURS,
    "42703": REFUSED,
    "42P01": REFUSED,
    "42P05": REFUSED,
    "53100": PASSING,
    "53300": PASSING,
    "55P03": PASSING,
    "57014": PASSING,
    "57P01": PASSING,
    "57P03": PASSING,
    "57P04": REFUSED,
    "58030": PASSING,
    "XX000": PASSING,
}


@pytest.mark.parametrize(("state", "meaning"), STATES.items())
def test_sqlstate(state: str, meaning: Meaning) -> None:
    error = of_postgresql(state)
    assert meaning_of(error) is meaning
    # A statement of ours can be wrong; the way to a connection has none.
    assert meaning_while_connecting(error) is (REFUSED if meaning is OURS else meaning)
    assert "told by the server" in explain(error)
    assert "a value of a row" not in explain(error)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("unsupported startup parameter: jit", REFUSED),
        ("no such database: books", REFUSED),
        ("SASL authentication failed", REFUSED),
        ("server login has been failing, try again later (server_login_retry)", PASSING),
        ("no more connections allowed (max_client_conn)", PASSING),
        ("query_wait_timeout", PASSING),
        ("pgbouncer cannot connect to server", PASSING),
    ],
)
def test_pgbouncers_only_sqlstate(text: str, meaning: Meaning) -> None:
    error = of_postgresql("08P01", text)
    assert meaning_of(error) is meaning_while_connecting(error) is meaning
    assert text in explain(error)


@pytest.mark.parametrize("state", ["22023", "42704", "55P02"])
def test_options_of_the_url(state: str) -> None:
    assert meaning_while_connecting(of_postgresql(state)) is SETTING
    assert meaning_of(of_postgresql(state)) is OURS


@pytest.mark.parametrize(
    ("name", "text", "meaning"),
    [
        ("SQLITE_BUSY", "database is locked", PASSING),
        ("SQLITE_BUSY_SNAPSHOT", "database is locked", PASSING),
        ("SQLITE_FULL", "database or disk is full", PASSING),
        ("SQLITE_IOERR_WRITE", "disk I/O error", PASSING),
        ("SQLITE_READONLY", "attempt to write a readonly database", REFUSED),
        ("SQLITE_CANTOPEN", "unable to open database file", REFUSED),
        ("SQLITE_NOTADB", "file is not a database", REFUSED),
        ("SQLITE_ERROR", "no such table: users", REFUSED),
        ("SQLITE_ERROR", 'near "SELEKT": syntax error', OURS),
        ("SQLITE_CONSTRAINT_UNIQUE", "UNIQUE constraint failed", OURS),
    ],
)
def test_sqlite_code(name: str, text: str, meaning: Meaning) -> None:
    error = of_sqlite(name, text)
    assert meaning_of(error) is meaning
    assert text in explain(error)
    assert "secret" not in explain(error)


def others() -> Iterator[tuple[Exception, Meaning, str]]:
    yield ConnectionRefusedError(111, "Connect call failed"), PASSING, "nothing accepts connections"
    yield ConnectionResetError(), PASSING, "the connection was cut"
    yield TimeoutError(), PASSING, "it gave no answer in time"
    yield NoFreeConnectionError(), PASSING, "no connection of the pool was free"
    yield socket.gaierror(-2, "Name or service not known"), PASSING, "the name of its host cannot"
    yield FileNotFoundError(2, "No such file or directory"), PASSING, "its socket is not there"
    yield OSError(113, "No route to host"), PASSING, "No route to host"
    yield ssl.SSLEOFError(8, "EOF occurred"), PASSING, "encryption with TLS failed"
    yield ssl.SSLCertVerificationError(1, "self-signed"), REFUSED, "its certificate is not one"
    yield ssl.SSLError(1, "HANDSHAKE_FAILURE"), REFUSED, "encryption with TLS failed"
    yield ConnectionError('"h:1" rejected SSL upgrade'), REFUSED, "it has no TLS, which sslmode"
    yield PermissionError(13, "Permission denied"), SETTING, "may not read a file for TLS"
    yield IsADirectoryError(21, "Is a directory"), SETTING, "Is a directory"
    yield ClientConfigurationError("`sslmode` must be"), SETTING, "`sslmode`"
    yield UnsupportedServerFeatureError("GSS is not"), REFUSED, "GSS is not"
    yield TargetServerAttributeNotMatched("None of the hosts"), PASSING, "None of the hosts"
    yield ValueError("invalid literal for int()"), SETTING, "invalid literal"
    yield KeyError("HOME"), SETTING, "KeyError: 'HOME'"


@pytest.mark.parametrize(
    ("error", "meaning", "words"), list(others()), ids=lambda it: type(it).__name__
)
def test_while_connecting(error: Exception, meaning: Meaning, words: str) -> None:
    assert meaning_while_connecting(error) is meaning
    assert words in explain(error)
    told = UnusableDatabaseError(explain(error), meaning)
    assert meaning_of(told) is meaning
    assert explain(told) == explain(error)


def test_faults_of_ours() -> None:
    """A template that is missing is no database that is away, nor is a value that does not fit."""
    for error in (
        TemplateNotFound("list.html"),
        DataError("invalid input for query argument $1"),
        ValueError("no"),
        KeyError("no"),
    ):
        assert meaning_of(error) is OURS


@pytest.mark.parametrize(
    ("error", "locked"),
    [
        (of_postgresql("55P03"), True),
        (of_postgresql("40P01"), True),
        (of_sqlite("SQLITE_BUSY"), True),
        (of_postgresql("57014"), False),
        (of_sqlite("SQLITE_FULL"), False),
    ],
)
def test_locked(error: Exception, locked: bool) -> None:
    assert is_locked(error) is locked


def test_pool_without_a_free_connection_is_no_slow_statement() -> None:
    """A job in the background would delete fewer rows at once for it."""
    assert is_time_out(TimeoutError())
    assert not is_time_out(NoFreeConnectionError())
    assert not is_time_out(None)
