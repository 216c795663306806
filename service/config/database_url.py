"""Parses DATABASE_URL by the rules of libpq, for SQLAlchemy's drivers (decision 24)."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, unquote

from service.config.database_parameters import ESCAPE_HINT, refuse, translate_parameters

if TYPE_CHECKING:
    from sqlalchemy import URL

DEFAULT_PORT = 5432
# As in libpq, an unescaped / or @ ends the password; ?, # and : may be part of it.
_POSTGRES_URL = re.compile(
    r"(?:(?P<user>[^:/@]*)(?::(?P<password>[^/@]*))?@)?"
    r"(?P<hosts>[^/?]*)(?:/(?P<name>[^?]*))?(?:\?(?P<query>.*))?"
)
# A socket's folder, or an IPv6 address without brackets. The query may contain these as a host.
_BARE_HOST = re.compile(r"/.*|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """The database and the way to connect to it: `create_async_engine(url, connect_args=…)`.

    `name` is the absolute path of SQLite's file, or the name of PostgreSQL's database. The driver
    fills in each field that is None or empty, from PGHOST and similar variables or from libpq's
    defaults.
    """

    drivername: str
    name: str | None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    addresses: tuple[tuple[str, int], ...] = ()
    connect_args: dict[str, object] = field(default_factory=dict, repr=False, hash=False)

    @property
    def is_sqlite(self) -> bool:
        """Return True for SQLite, and False for PostgreSQL."""
        return self.drivername.startswith("sqlite")

    @property
    def url(self) -> "URL":
        """The URL without a query. A socket or several hosts are in `connect_args` alone."""
        # Imported here, because it takes longer than reading all settings. Some scripts need
        # other settings only.
        from sqlalchemy import URL

        host, port = None, None
        if self.addresses and "host" not in self.connect_args:
            host, port = self.addresses[0]
        return URL.create(
            self.drivername, self.username, self.password, host or None, port, self.name
        )

    @property
    def display(self) -> str:
        """The URL for messages and logs, without password and parameters."""
        if self.is_sqlite:
            return f"sqlite:///{quote(self.name or '')}"
        user = f"{quote(self.username)}@" if self.username else ""
        hosts = ",".join(f"{quote(host, safe='/:')}:{port}" for host, port in self.addresses)
        return f"postgresql://{user}{hosts}/{quote(self.name or '')}"

    @property
    def migration_connect_args(self) -> dict[str, object]:
        """`connect_args` without time-outs for statements: to build an index can take minutes."""
        if self.is_sqlite:
            return dict(self.connect_args)
        settings = cast("dict[str, str]", self.connect_args["server_settings"])
        unlimited = {**settings, "statement_timeout": "0"}
        return {**self.connect_args, "command_timeout": None, "server_settings": unlimited}


def parse_database_url(text: str, *, root: Path) -> DatabaseSettings:
    """Parse a URL; relative paths in it start at `root`.

    Raises InvalidDatabaseURLError for a URL that the driver cannot follow exactly as it is
    written, and for certificate files that cannot be read.
    """
    if not text.isprintable():
        refuse("a URL without line breaks and control characters")
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() in {"sqlite", "sqlite+aiosqlite"}:
        return _parse_sqlite(rest, root)
    if separator and scheme.lower() in {"postgres", "postgresql", "postgresql+asyncpg"}:
        return _parse_postgres(rest, root)
    refuse("a URL with postgres://, postgresql://, postgresql+asyncpg:// or sqlite:///path")


def _parse_sqlite(rest: str, root: Path) -> DatabaseSettings:
    path = _unquote(rest.removeprefix("/"))
    if not re.fullmatch(r"/[^?]+", rest) or ":memory:" in path:
        refuse(
            "a file for SQLite, as in sqlite:///path, without parameters"
            " (in memory, every connection would have a database of its own)"
        )
    return DatabaseSettings(drivername="sqlite+aiosqlite", name=str(root / path))


def _parse_postgres(rest: str, root: Path) -> DatabaseSettings:
    match = _POSTGRES_URL.fullmatch(rest)
    if match is None or "@" in (match["name"] or ""):
        refuse(f"postgresql://user:password@host:port/database, {ESCAPE_HINT}")
    parameters = _parse_query(match["query"] or "")
    addresses = _take_addresses(match["hosts"], parameters)
    username = parameters.pop("user", "") or _unquote(match["user"] or "")
    password = parameters.pop("password", "") or _unquote(match["password"] or "")
    name = parameters.pop("dbname", "") or _unquote(match["name"] or "")
    return DatabaseSettings(
        drivername="postgresql+asyncpg",
        name=name or None,
        username=username or None,
        password=password or None,
        addresses=addresses,
        connect_args=_host_arguments(addresses) | translate_parameters(parameters, root),
    )


def _unquote(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        refuse("percent-escapes of UTF-8")
    if "\0" in decoded:
        # NUL ends a field of PostgreSQL's start-up packet: the rest would be another setting.
        refuse("no %00")
    return decoded


def _parse_query(query: str) -> dict[str, str]:
    """Return the parameters by name. The last value counts; of `host` and `port`, all values."""
    parameters: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        # Not parse_qs: it reads a plus sign as a space, and libpq does not.
        name, value = map(_unquote, pair.partition("=")[::2])
        if name in {"host", "port"} and name in parameters:
            value = f"{parameters[name]},{value}"
        parameters[name] = value
    return parameters


def _take_addresses(authority: str, parameters: dict[str, str]) -> tuple[tuple[str, int], ...]:
    """Return hosts with their ports. Those in `parameters` replace those in `authority`."""
    entries = [_split_address(entry) for entry in authority.split(",")]
    hosts, ports = [_unquote(host) for host, _ in entries], [port for _, port in entries]
    if given := parameters.pop("host", ""):
        entries = [
            (entry, "") if _BARE_HOST.fullmatch(entry) else _split_address(entry)
            for entry in given.split(",")
        ]
        hosts = [host for host, _ in entries]
        ports = [port for _, port in entries] if any(port for _, port in entries) else ports
    if given := parameters.pop("port", ""):
        ports = given.split(",")
    if not any(ports) and hosts == [""]:
        return ()
    ports = ports if any(ports) else [""]
    ports = ports * len(hosts) if len(ports) == 1 else ports
    if len(ports) != len(hosts) or ("" in hosts and len(hosts) > 1):
        refuse("hosts without gaps, with one port for all or one for each")
    return tuple((host, _port(port)) for host, port in zip(hosts, ports, strict=True))


def _split_address(entry: str) -> tuple[str, str]:
    """Return the host without brackets, and the port as it is written, which may be empty."""
    if match := re.fullmatch(r"\[([0-9A-Fa-f:.%]+)\](?::(.*))?", entry):
        return match[1], match[2] or ""
    host, _, port = entry.partition(":")
    if re.search(r"[\s@\[\]]", host):
        refuse(f"the name or address of a host after the @, {ESCAPE_HINT}")
    return host, port


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{0,5}", text) or not 1 <= int(text or DEFAULT_PORT) <= 65535:
        refuse(f"a port from 1 to 65535 after the host, {ESCAPE_HINT}")
    return int(text or DEFAULT_PORT)


def _host_arguments(addresses: tuple[tuple[str, int], ...]) -> dict[str, object]:
    """Return asyncpg's `host` and `port`, if SQLAlchemy's URL cannot contain the addresses."""
    if len(addresses) > 1 or any(host.startswith("/") for host, _ in addresses):
        return {"host": [host for host, _ in addresses], "port": [port for _, port in addresses]}
    return {}
