"""Errors of the database and of its driver as one line of text, for operators."""

import re
import socket
import ssl

from sqlalchemy.exc import DBAPIError

from service.db.failures import (
    MissingFileError,
    NoFreeConnectionError,
    UnusableDatabaseError,
    driver_error,
    has_no_tls,
    is_of_asyncpg,
    is_refused_parameter,
    is_shared_session,
    is_undefined,
    sqlstate,
)

_NUMBERS = re.compile(r"\d+")
_DIRECT = "use the database's direct URL, or a pooler in session mode"
_SHARED_SESSION = (
    f"a pooler in transaction mode, such as PgBouncer, is in between: {_DIRECT} ({{}})"
)
_REFUSED_PARAMETER = (
    "a pooler, such as PgBouncer, is in between, and refuses a setting of our sessions:"
    f" {_DIRECT} whose ignore_startup_parameters has that setting ({{}})"
)
_READ_ONLY = "it is read-only: a standby, or default_transaction_read_only is on ({})"
_UNDEFINED = "its schema is not the one of this release: run bin/migrate ({})"
# Texts for errors of the operating system or the driver. The first class that fits counts.
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "nothing accepts connections at its address ({})"),
    (ssl.SSLCertVerificationError, "its certificate is not one that we trust ({})"),
    (ssl.SSLError, "encryption with TLS failed ({})"),
    (ConnectionError, "the connection was cut ({})"),
    (socket.gaierror, "the name of its host cannot be resolved ({})"),
    (NoFreeConnectionError, "no connection of the pool was free in time"),
    (TimeoutError, "it gave no answer in time"),
    (FileNotFoundError, "its socket is not there ({})"),
    (
        MissingFileError,
        "a file for TLS is not there, which a variable such as PGSSLCERT names ({})",
    ),
    (
        PermissionError,
        "this process may not use its socket, or may not read a file for TLS,"
        " as in ~/.postgresql ({})",
    ),
)


def explain(error: BaseException) -> str:
    """Return an error as one line of text, without the values of the statement."""
    driver = driver_error(error)
    # The lines after the first may quote a row.
    said = (str(driver).splitlines() or [""])[0].rstrip(": ")
    if words := _words(driver, error):
        return words.format(said).removesuffix(" ()")
    speaking = is_of_asyncpg(driver) or isinstance(error, (DBAPIError, UnusableDatabaseError))
    return said if speaking and said else f"{type(driver).__name__}: {said}".rstrip(": ")


def kind_of(error: BaseException) -> str:
    """Return the text without numbers and names, so that equal reasons have equal texts."""
    if isinstance(error, UnusableDatabaseError):
        return error.kind
    return _words(driver_error(error), error) or _NUMBERS.sub("0", explain(error))


def _words(driver: BaseException, error: BaseException) -> str | None:
    """Return a sentence with a place for the driver's message; None if the message is enough."""
    if is_shared_session(driver):
        return _SHARED_SESSION
    if is_refused_parameter(driver):
        return _REFUSED_PARAMETER
    if is_undefined(error):
        return _UNDEFINED
    if sqlstate(driver) == "25006":
        return _READ_ONLY
    if has_no_tls(driver):
        return "it has no TLS, which sslmode asks for ({})"
    return next((words for kind, words in _WORDS if isinstance(driver, kind)), None)
