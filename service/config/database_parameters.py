"""The parameters of a DATABASE_URL, which are libpq's, translated into asyncpg's arguments.

Where encryption is required, certificates come from the URL alone, never from ~/.postgresql.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from ssl import SSLContext, TLSVersion

# People wait 5 seconds at most for a database that does not answer: see UNIT_TIMEOUT in service.db,
# which all of these stay below, so that what went wrong is told by the one who knows.
CONNECT_TIMEOUT = 3.0  # seconds; a server that is there answers in milliseconds
CONNECT_TIMEOUT_MAX = 300  # seconds; libpq's 0, for ever, would hang a start instead of failing it
STATEMENT_TIMEOUT = 3_000  # milliseconds; no page needs a tenth of it, so something went wrong
COMMAND_TIMEOUT = 3.5  # seconds; above STATEMENT_TIMEOUT: only for a server that fell silent
LOCK_TIMEOUT = 1_500  # milliseconds; better refuse one writer than let all queue behind a lock
IDLE_IN_TRANSACTION_TIMEOUT = 30_000  # milliseconds; a stuck process must not keep its locks

_SERVER_SETTINGS = {
    "application_name": "readlog",
    # Compiling a plan costs more than any of our short queries saves by it.
    "jit": "off",
    "statement_timeout": str(STATEMENT_TIMEOUT),
    "lock_timeout": str(LOCK_TIMEOUT),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT),
}
_SESSION_ATTRIBUTES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
# What asyncpg does not do and nobody misses, and hints for the connection pools of others.
_DROPPED = re.compile(
    "channel_binding|client_encoding|connection_limit|fallback_application_name|gssdelegation"
    "|gssencmode|keepalives(_count|_idle|_interval)?|load_balance_hosts|max_overflow"
    "|pool_(recycle|size|timeout)|sslcompression|sslsni|tcp_user_timeout"
)
_REFUSED = {
    "service": "the address itself, not a service: its file would decide where we connect",
    "hostaddr": "host, not hostaddr: asyncpg cannot connect to one and verify the other",
}
# Values that do not tell of a pooler in transaction mode, which service.db.connecting would refuse.
_SESSION_MODE = {
    "pgbouncer": ("", "false", "0", "no", "off"),
    "pool_mode": ("", "session"),
}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ALWAYS_ENCRYPTED = _SSL_MODES[3:]
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl")
_VERSIONS = ("ssl_min_protocol_version", "ssl_max_protocol_version")
# PostgreSQL refuses older ones by default since its version 13, and Python warns about them.
_VERSION_NAMES = ("TLSv1.2", "TLSv1.3")
ESCAPE_HINT = "with / and @ in a user name or password written as %2F and %40"


class InvalidDatabaseURLError(ValueError):
    """Says in one line what is expected of the URL, and nothing secret of what it is."""


def refuse(expected: str) -> NoReturn:
    """Raise InvalidDatabaseURLError, hiding the error it comes from: that may quote the URL."""
    raise InvalidDatabaseURLError(expected) from None


@contextmanager
def readable(parameter: str) -> Iterator[None]:
    """Refuse the parameter when the block cannot read or use the file that it names."""
    try:
        yield
    # An SSLError is an OSError; a password too long for OpenSSL is a ValueError.
    except (OSError, ValueError):
        refuse(f"{parameter} to name a file that can be read and used")


def translate_parameters(parameters: dict[str, str], root: Path) -> dict[str, object]:
    """Arguments for `asyncpg.connect`, our limits included; relative paths start at `root`.

    Raises InvalidDatabaseURLError for what is unknown, wrong or cannot be done.
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
    # Last, whatever the options say: days in our SQL are days in UTC.
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
    """Settings from `-c name=value` and `--name=value`; a backslash escapes a space."""
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
                f" {name} tells of one that gives our sessions to others"
            )


def _refuse_others(parameters: dict[str, str]) -> None:
    for name, value in parameters.items():
        if _DROPPED.fullmatch(name):
            continue
        if "@" in name or "@" in value:
            # Probably the rest of a password with a bare slash: do not repeat it.
            refuse(f"postgresql://user:password@host:port/database, {ESCAPE_HINT}")
        refuse(_REFUSED.get(name, f"no parameter {name[:40]!r}, which this service does not know"))


def _take_tls(parameters: dict[str, str], root: Path) -> dict[str, object]:
    """Remove what is about encryption from `parameters`; return it as arguments for asyncpg.

    Without a mode asyncpg asks PGSSLMODE, then prefers encryption, as libpq does.
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
        # asyncpg could not use them; certificates that are never looked at would deceive.
        refuse(f"sslmode as {', '.join(_ALWAYS_ENCRYPTED)} beside other parameters for TLS")
    return {"ssl": mode} if mode else {}


def _take_mode(parameters: dict[str, str]) -> str:
    # ssl=true is JDBC's, which libpq takes too; ssl=<mode> is what SQLAlchemy's users write.
    alias = parameters.pop("ssl", "")
    mode = parameters.pop("sslmode", "") or {"true": "require"}.get(alias, alias)
    if parameters.get("sslrootcert") == "system":
        mode = mode or "verify-full"
        if mode != "verify-full":
            refuse("sslmode=verify-full beside sslrootcert=system: any site has such a certificate")
    if mode and mode not in _SSL_MODES:
        refuse(f"sslmode as one of {', '.join(_SSL_MODES)}")
    return mode


def _context(mode: str, details: dict[str, str], root: Path) -> "SSLContext":
    """Made once: asyncpg would read the files again for each connection, and block meanwhile."""
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
            # Without one OpenSSL would ask for it on the terminal, and wait.
            password=lambda: details.get("sslpassword", ""),
        )


def _version(name: str) -> "TLSVersion":
    import ssl

    if name not in _VERSION_NAMES:
        refuse(f"TLS versions as {' or '.join(_VERSION_NAMES)}")
    return ssl.TLSVersion[name.replace(".", "_")]
