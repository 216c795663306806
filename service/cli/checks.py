"""Finds risks of valid settings, and problems of the database that they name."""

import ipaddress
import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.cli.maintenance import connected, is_missing
from service.config import Settings
from service.config.database_url import DatabaseSettings
from service.db.failure_texts import explain
from service.db.failures import is_locked
from service.migrations import (
    SchemaError,
    WrongSettingError,
    current_revision,
    head,
    is_of_later_release,
)
from service.migrations.needs import find_unmet

MIN_PASSWORD_LENGTH = 8  # characters; the minimum of NIST SP 800-63B-4 and of ASVS
# These headers are lists: each proxy appends an entry, and a client may send the first entries.
_LISTS = ("x-forwarded-for", "forwarded", "via")
_ENCRYPTED_MODES = ("require", "verify-ca", "verify-full")

_CAPACITY = text(
    """
    SELECT current_setting('max_connections')::int
             - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true)::int, 0) AS server,
           (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) AS role,
           (SELECT nullif(datconnlimit, -1) FROM pg_database
             WHERE datname = current_database()) AS database,
           current_setting('server_encoding') AS encoding,
           current_setting('lock_timeout') = '0' AS unbounded
    """
)


@dataclass(frozen=True)
class Finding:
    """One line for the operator. A warning asks for a change, a notice only informs."""

    level: Literal["error", "warning", "notice", "ok"]
    text: str
    wrong_setting: bool = False  # the service would not start with this setting

    def __str__(self) -> str:
        return f"{self.level}: {self.text}"


def risks(settings: Settings, *, on_render: bool) -> Iterator[Finding]:
    """Yield the risks that the settings alone show."""
    production = settings.config_type == "production"
    yield from _mode_risks(settings, on_render=on_render)
    if production:
        yield from _public_risks(settings)
        yield from _mail_risks(settings)
    yield from _address_risks(settings, on_render=on_render)
    yield from _tls_risks(settings)


def _mode_risks(settings: Settings, *, on_render: bool) -> Iterator[Finding]:
    if settings.config_type != "production":
        level: Literal["warning", "notice"] = "warning" if on_render else "notice"
        yield Finding(
            level,
            f"CONFIG_TYPE: {settings.config_type} is not for the public: cookies travel over http",
        )
    elif settings.database.is_sqlite:
        yield Finding(
            "warning",
            "DATABASE_URL: SQLite in production: it works on one machine only, and on most"
            " platforms a deploy deletes its file",
        )
    if not settings.rate_limits:
        yield Finding("warning", "RATE_LIMITS: off, so anybody can try passwords without a limit")
    if settings.password_min_length < MIN_PASSWORD_LENGTH:
        yield Finding(
            "warning",
            f"PASSWORD_MIN_LENGTH: {settings.password_min_length} is less than"
            f" {MIN_PASSWORD_LENGTH}",
        )


def _public_risks(settings: Settings) -> Iterator[Finding]:
    host = (settings.public_url or "").partition("://")[2]
    if _is_private(re.sub(r":\d+$", "", host)):
        yield Finding("warning", f"PUBLIC_URL: links in mail lead to {host}, which is not public")
    if others := sorted(settings.allowed_hosts - {host}):
        yield Finding(
            "notice",
            f"ALLOWED_HOSTS: {', '.join(others)} too: people sign in there separately,"
            f" and links in mail lead to {host}",
        )


def _mail_risks(settings: Settings) -> Iterator[Finding]:
    if not settings.mail_url:
        yield Finding(
            "warning",
            "MAIL_URL: no mail: registering shows whether an address has an account, and a"
            " forgotten password needs `readlog set-password`",
        )
    elif settings.mail_url.startswith("console:"):
        yield Finding("warning", "MAIL_URL: console: writes mail to the log, with secret links")


def _address_risks(settings: Settings, *, on_render: bool) -> Iterator[Finding]:
    header, hops = settings.client_ip_header, settings.trusted_proxy_hops
    if header and header.lower() in _LISTS:
        yield Finding(
            "warning",
            f"CLIENT_IP_HEADER: any client can send the first addresses of the list in {header}:"
            " set TRUSTED_PROXY_HOPS to the number of proxies instead",
        )
    elif header and not (on_render and header.lower() == "cf-connecting-ip"):
        yield Finding(
            "notice",
            f"CLIENT_IP_HEADER: {header} is trusted in every request: the proxy in front must"
            " overwrite it, and no request may come past the proxy",
        )
    if header and hops:
        yield Finding(
            "warning",
            f"TRUSTED_PROXY_HOPS: {hops} beside CLIENT_IP_HEADER: for a request without {header},"
            " the address in X-Forwarded-For is trusted",
        )
    elif hops > 1:
        yield Finding(
            "notice",
            f"TRUSTED_PROXY_HOPS: {hops}: with fewer proxies than that, any client can choose the"
            " address that it seems to come from",
        )
    if settings.config_type == "production" and not header and not hops:
        yield Finding(
            "warning",
            "TRUSTED_PROXY_HOPS: 0 without CLIENT_IP_HEADER: behind a proxy all people together"
            " count as one client, and one of them can lock out all",
        )


def _tls_risks(settings: Settings) -> Iterator[Finding]:
    database = settings.database
    public = [host for host, _ in database.addresses if not _is_private(host)]
    mode: Any = database.connect_args.get("ssl", "prefer")
    if database.is_sqlite or not public:
        return
    if isinstance(mode, ssl.SSLContext):
        if mode.verify_mode == ssl.CERT_NONE:
            yield Finding(
                "notice",
                f"DATABASE_URL: sslmode=require encrypts, but does not verify that the server is"
                f" {public[0]}: verify-full does",
            )
    elif mode not in _ENCRYPTED_MODES:
        yield Finding(
            "warning",
            f"DATABASE_URL: sslmode={mode} may send everything to {public[0]} without encryption:"
            " use require, or better verify-full",
        )


def _is_private(host: str) -> bool:
    """Return whether a host is this machine, a socket, or known in a private network only."""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        ours = (".internal", ".local", ".localhost", ".svc")
        return host.startswith("/") or "." not in host or host.endswith(ours)


async def database_risks(settings: Settings) -> list[Finding]:
    """Return the problems of the database. If it cannot be reached, that is the last of them."""
    findings: list[Finding] = []
    database = settings.database
    if is_missing(database):
        return [Finding("warning", "DATABASE_URL: the file does not exist yet: run bin/migrate")]
    try:
        async with connected(database) as connection:
            revision = await current_revision(connection)
            later = await is_of_later_release(connection, revision)
            findings.extend(_schema_risks(revision, later=later))
            if not database.is_sqlite:
                findings.extend(await _server_risks(connection, settings))
            read_only = await _read_only_risk(connection, database)
            await connection.rollback()
            if read_only:
                findings.append(read_only)
            elif later or revision == head():
                findings.extend(await _unmet_needs(connection))
    except SchemaError as error:
        wrong = isinstance(error, WrongSettingError)
        findings.append(Finding("error", f"DATABASE_URL: {error}", wrong_setting=wrong))
    return findings


def _schema_risks(revision: str | None, *, later: bool) -> Iterator[Finding]:
    if later:
        yield Finding("notice", f"DATABASE_URL: {revision}, which a later release made")
    elif revision != head():
        found = f"revision {revision}" if revision else "no schema of this service"
        yield Finding("warning", f"DATABASE_URL: {found}, not {head()}: run bin/migrate")


async def _read_only_risk(
    connection: AsyncConnection, database: DatabaseSettings
) -> Finding | None:
    if database.is_sqlite:
        read_only, what = (
            not _is_writable(Path(database.name or "")),
            "the file is read-only for us",
        )
    else:
        setting = await connection.scalar(text("SELECT current_setting('transaction_read_only')"))
        read_only, what = setting == "on", "the database is read-only"
    return Finding("warning", f"DATABASE_URL: {what}") if read_only else None


async def _unmet_needs(connection: AsyncConnection) -> list[Finding]:
    """Return the unmet needs of the service, tried in a transaction that is rolled back."""
    try:
        async with connection.begin() as transaction:
            unmet = await connection.run_sync(find_unmet)
            await transaction.rollback()
    except DBAPIError as error:
        if not is_locked(error):
            raise
        return [Finding("notice", f"DATABASE_URL: its rights were not checked: {explain(error)}")]
    return [Finding("error", f"DATABASE_URL: {need}") for need in unmet]


def _is_writable(path: Path) -> bool:
    """Return whether file and folder are writable: SQLite makes more files in the folder."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


async def _server_risks(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    found = (await connection.execute(_CAPACITY)).one()
    findings = []
    if found.encoding != "UTF8":
        findings.append(
            Finding("warning", f"DATABASE_URL: its encoding is {found.encoding}, not UTF8")
        )
    if found.unbounded:  # each of our connections sets lock_timeout, so somebody has reset it
        findings.append(
            Finding(
                "warning",
                "DATABASE_URL: a pooler in between drops our settings: give them to the role with"
                " ALTER ROLE … SET lock_timeout = '1500ms' and so on, see docs/deploy.md",
            )
        )
    room = min(limit for limit in (found.server, found.role, found.database) if limit is not None)
    each = settings.db_pool_size + settings.db_max_overflow
    most = settings.web_concurrency * each
    # A deploy starts the new processes before it stops the old ones; one more connection migrates.
    if 2 * most + 1 > room:
        findings.append(
            Finding(
                "warning",
                f"DB_POOL_SIZE: {settings.web_concurrency} workers with up to {each} connections"
                f" take {most}, twice that during a deploy, but the database allows {room}",
            )
        )
    return findings
