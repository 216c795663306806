"""Translates the parameters of a DATABASE_URL, which are libpq's, into asyncpg's arguments.

If encryption is required, certificates come from the URL alone, never from ~/.postgresql.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from ssl import SSLContext, TLSVersion

# The time-outs for connecting, statements and locks are shorter than service.db.UNIT_TIMEOUT (4 s,
# decision 9): the error of asyncpg or PostgreSQL is more precise, so it has to come first.
CONNECT_TIMEOUT = 3.0  # seconds; a server that is up accepts in milliseconds
CONNECT_TIMEOUT_MAX = 300  # seconds; with libpq's 0 (no limit) a start could hang for ever
STATEMENT_TIMEOUT = 3_000  # milliseconds; no page needs a tenth of it
COMMAND_TIMEOUT = 3.5  # seconds; longer than STATEMENT_TIMEOUT: for a server that fell silent
LOCK_TIMEOUT = 1_500  # milliseconds; one writer fails, instead of many waiting for the same lock
IDLE_IN_TRANSACTION_TIMEOUT = 30_000  # milliseconds; a process that hangs must not keep its locks

_SERVER_SETTINGS = {
    "application_name": "readlog",
    # Our queries are short: JIT compilation takes longer than it can save.
    "jit": "off",
    "statement_timeout": str(STATEMENT_TIMEOUT),
    "lock_timeout": str(LOCK_TIMEOUT),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT),
}
_SESSION_ATTRIBUTES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
# These parameters are ignored. asyncpg does not support them and the service does not need them,
# or they are settings for the connection pools of other libraries.
_DROPPED = re.compile(
    "channel_binding|client_encoding|connection_limit|fallback_application_name|gssdelegation"
    "|gssencmode|keepalives(_count|_idle|_interval)?|load_balance_hosts|max_overflow"
    "|pool_(recycle|size|timeout)|sslcompression|sslsni|tcp_user_timeout"
)
_REFUSED = {
    "service": "a host, not a service: the service file would decide where we connect",
    "hostaddr": "host, not hostaddr: asyncpg cannot connect to one and verify the other",
}
# The values that are compatible with a pooler in session mode. The service cannot work with a
# pooler in transaction mode (service.db.connecting).
_SESSION_MODE = {
    "pgbouncer": ("", "false", "0", "no", "off"),
    "pool_mode": ("", "session"),
}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ALWAYS_ENCRYPTED = _SSL_MODES[3:]
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl")
_VERSIONS = ("ssl_min_protocol_version", "ssl_max_protocol_version")
# PostgreSQL 13 and newer refuse older versions of TLS by default, and Python warns about them.
_VERSION_NAMES = ("TLSv1.2", "TLSv1.3")
ESCAPE_HINT = "with / and @ in a user name or password written as %2F and %40"


class InvalidDatabaseURLError(ValueError):
    """DATABASE_URL cannot be used. The text is one line: what is expected, without any secret."""


def refuse(expected: str) -> NoReturn:
    """Raise InvalidDatabaseURLError without its cause, because that error may quote the URL."""
    raise InvalidDatabaseURLError(expected) from None


@contextmanager
def readable(parameter: str) -> Iterator[None]:
    """Raise InvalidDatabaseURLError if the block cannot use the file that the parameter names."""
    try:
        yield
    # An SSLError is an OSError; a password too long for OpenSSL is a ValueError.
    except (OSError, ValueError):
        refuse(f"{parameter} to name a file that can be read and used")


def translate_parameters(parameters: dict[str, str], root: Path) -> dict[str, object]:
    """Return arguments for `asyncpg.connect`, with our time-outs; relative paths start at `root`.

    Raises InvalidDatabaseURLError for a parameter that is unknown, wrong or not supported.
    """
    left = dict(parameters)
    _refuse_shared_sessions(left)
    arguments = _take_timeouts(left) | _take_tls(left, root) | _take_session(left, root)
    _refuse_others(left)
    return arguments


def _take_timeouts(parameters: dict[str, str]) -> dict[str, object]:
    text = parameters.pop("connect_timeout", "")
    if text and not (re.fullmatch(r"[0-9]{1,3}", text) and 1 <= int(text) <= CONNECT_TIMEOUT_MAX):
        refuse(f"connect_timeout in whole seconds from 1 to {CONNECT_TIMEOUT_MAX}")
    return {"timeout": float(text or CONNECT_TIMEOUT), "command_timeout": COMMAND_TIMEOUT}


def _take_session(parameters: dict[str, str], root: Path) -> dict[str, object]:
    settings = _SERVER_SETTINGS | _parse_options(parameters.pop("options", ""))
    if name := parameters.pop("application_name", ""):
        settings["application_name"] = name
    # Added last, so that `options` cannot change it: a day in our SQL is a day in UTC.
    arguments: dict[str, object] = {"server_settings": settings | {"timezone": "UTC"}}
    if attributes := parameters.pop("target_session_attrs", ""):
        if attributes not in _SESSION_ATTRIBUTES:
            refuse(f"target_session_attrs as one of {', '.join(_SESSION_ATTRIBUTES)}")
        arguments["target_session_attrs"] = attributes
    if passfile := parameters.pop("passfile", ""):
        with readable("passfile"):
            (root / passfile).open().close()
        arguments["passfile"] = str(root / passfile)
    return arguments


def _parse_options(options: str) -> dict[str, str]:
    """Return the settings in `-c name=value` and `--name=value`; a backslash escapes a space."""
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\\\s])+", options)]
    settings = {}
    while words:
        word = words.pop(0)
        text = words.pop(0) if word == "-c" and words else word[2:]
        match = re.fullmatch(r"([A-Za-z_][\w.-]*)=(.*)", text, re.DOTALL)
        if match is None or not word.startswith(("-c", "--")):
            refuse("options of the form '-c name=value' or '--name=value'")
        settings[match[1].replace("-", "_").lower()] = match[2]
    return settings


def _refuse_shared_sessions(parameters: dict[str, str]) -> None:
    for name, harmless in _SESSION_MODE.items():
        value = parameters.pop(name, "")
        if value.lower() not in harmless:
            refuse(
                "the database's direct URL, or that of a pooler in session mode:"
                f" {name} means a pooler that lets other clients use our sessions"
            )


def _refuse_others(parameters: dict[str, str]) -> None:
    for name, value in parameters.items():
        if _DROPPED.fullmatch(name):
            continue
        if "@" in name or "@" in value:
            # Probably the rest of a password with an unescaped slash: do not quote it.
            refuse(f"postgresql://user:password@host:port/database, {ESCAPE_HINT}")
        refuse(_REFUSED.get(name, f"no parameter {name[:40]!r}, which this service does not know"))


def _take_tls(parameters: dict[str, str], root: Path) -> dict[str, object]:
    """Remove the parameters for TLS from `parameters`, and return them as arguments for asyncpg.

    Without a mode, asyncpg uses PGSSLMODE or else prefers encryption, as libpq does.
    """
    mode = _take_mode(parameters)
    negotiation = parameters.pop("sslnegotiation", "") or "postgres"
    if negotiation not in {"postgres", "direct"}:
        refuse("sslnegotiation as postgres or direct")
    names = (*_FILES, *_VERSIONS)
    details = {name: value for name in names if (value := parameters.pop(name, ""))}
    if mode in _ALWAYS_ENCRYPTED:
        return {"ssl": _context(mode, details, root), "direct_tls": negotiation == "direct"}
    if details or negotiation == "direct":
        # asyncpg would ignore them: the operator would believe that certificates are verified.
        refuse(f"sslmode as {', '.join(_ALWAYS_ENCRYPTED)} beside other parameters for TLS")
    return {"ssl": mode} if mode else {}


def _take_mode(parameters: dict[str, str]) -> str:
    # URLs for JDBC have ssl=true, which libpq accepts too; URLs for SQLAlchemy have ssl=<mode>.
    alias = parameters.pop("ssl", "")
    mode = parameters.pop("sslmode", "") or {"true": "require"}.get(alias, alias)
    if parameters.get("sslrootcert") == "system":
        mode = mode or "verify-full"
        if mode != "verify-full":
            refuse(
                "sslmode=verify-full beside sslrootcert=system: any host can get a certificate"
                " from a public authority"
            )
    if mode and mode not in _SSL_MODES:
        refuse(f"sslmode as one of {', '.join(_SSL_MODES)}")
    return mode


def _context(mode: str, details: dict[str, str], root: Path) -> "SSLContext":
    """Return a context that all connections share: asyncpg itself would read the files each time.

    Reading them blocks the event loop.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    context.set_alpn_protocols(["postgresql"])
    _load_authorities(context, mode, details, root)
    _load_identity(context, details, root)
    context.minimum_version = _version(details.get(_VERSIONS[0], "TLSv1.2"))
    if _VERSIONS[1] in details:
        context.maximum_version = _version(details[_VERSIONS[1]])
        if context.maximum_version < context.minimum_version:
            refuse(f"{_VERSIONS[0]} not above {_VERSIONS[1]}")
    return context


def _load_authorities(
    context: "SSLContext", mode: str, details: dict[str, str], root: Path
) -> None:
    import ssl

    authorities, revoked = details.get("sslrootcert"), details.get("sslcrl")
    if authorities == "system":
        context.load_default_certs()
    elif authorities:
        with readable("sslrootcert"):
            context.load_verify_locations(root / authorities)
    elif mode != "require" or revoked:
        refuse("sslrootcert too: the file of the authorities to trust, or 'system'")
    else:
        context.verify_mode = ssl.CERT_NONE
    if revoked:
        with readable("sslcrl"):
            context.load_verify_locations(root / revoked)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _load_identity(context: "SSLContext", details: dict[str, str], root: Path) -> None:
    certificate, key = details.get("sslcert"), details.get("sslkey")
    if not certificate:
        if key:
            refuse("sslcert beside sslkey")
        return
    with readable("sslcert (with its sslkey and sslpassword)"):
        context.load_cert_chain(
            root / certificate,
            root / key if key else None,
            # Without this, OpenSSL would ask for a password on the terminal, and wait.
            password=lambda: details.get("sslpassword", ""),
        )


def _version(name: str) -> "TLSVersion":
    import ssl

    if name not in _VERSION_NAMES:
        refuse(f"TLS versions as {' or '.join(_VERSION_NAMES)}")
    return ssl.TLSVersion[name.replace(".", "_")]
