"""All settings, read from the environment and checked in one place."""

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from service.config.database_parameters import InvalidDatabaseURLError
from service.config.database_url import DatabaseSettings, parse_database_url
from service.config.environment import ConfigurationError, Environment, wrong_value
from service.config.secret_keys import MIN_LENGTH, instance_key, is_weak, random_key
from service.config.telemetry import metrics_folder, metrics_token, trace_exporters

ConfigType = Literal["development", "production", "testing"]
LogFormat = Literal["text", "json"]

# 6 characters are the minimum of the Flask application. NIST SP 800-63B wants every service to
# accept passwords of 64 characters, so the minimum must not be longer.
PASSWORD_MIN_LENGTH_BOUNDS = (6, 64)

_CONFIG_TYPES: dict[str, ConfigType] = {
    alias: name
    for name in ("development", "production", "testing")
    for alias in (name, f"config.{name}config")
}
_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PORT = r"(?a:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"  # to 65535
_HOST = rf"(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::{_PORT})?"
_ADDRESS = r"[^\s<>@,;]+@[^\s<>@,;]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one application. Its repr contains no secret."""

    config_type: ConfigType
    secret_key: str = field(repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(repr=False)
    instance_path: Path
    database: DatabaseSettings
    db_pool_size: int
    db_max_overflow: int
    migrate_on_start: bool
    # scheme://host[:port] as browsers write it in Origin: no default port, no slash at the end.
    public_url: str | None
    # The Host headers that are accepted, in lower case, that of public_url included. If empty,
    # which production never is, every host is accepted.
    allowed_hosts: frozenset[str]
    host: str
    port: int
    web_concurrency: int
    # Seconds from the platform's SIGTERM to its SIGKILL.
    shutdown_delay: int
    log_level: str
    log_format: LogFormat
    client_ip_header: str | None
    trusted_proxy_hops: int
    # smtp://, smtps:// or console:, and empty for no mail. User and password are percent-escaped.
    mail_url: str = field(repr=False)
    mail_from: str
    password_min_length: int
    rate_limits: bool
    metrics_token: str | None = field(repr=False)
    # The folder in which the processes of one server share their metrics.
    metrics_folder: Path | None
    trace_exporters: tuple[str, ...]
    # The first 7 digits of the commit that runs; empty if the platform does not name it.
    release: str

    @property
    def secure_cookies(self) -> bool:
        """Return whether browsers may send our cookies over https only."""
        return self.config_type == "production"

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, *, root: Path | None = None
    ) -> Self:
        """Read and check the variables. `root` is the project's folder; `instance/` is inside it.

        Raises ConfigurationError for the first wrong variable. Makes `instance/` if it is needed:
        for the signing key of development, or for a database of SQLite there.
        """
        env = Environment(os.environ if environ is None else environ)
        root = (root or Path(__file__).parents[2]).absolute()
        on_render = env.text("RENDER") is not None
        config_type = _config_type(env, on_render)
        production, development = config_type == "production", config_type == "development"
        secret_key = _secret_key(env, config_type, root / "instance")
        public_url = _public_url(env, production)
        return cls(
            config_type=config_type,
            secret_key=secret_key,
            secret_key_fallbacks=_secret_key_fallbacks(env, production),
            instance_path=root / "instance",
            database=_database(env, production, root),
            db_pool_size=env.integer("DB_POOL_SIZE", 5, 1, 100),
            db_max_overflow=env.integer("DB_MAX_OVERFLOW", 5, 0, 100),
            # On by default. The free plan can migrate at no other time, and no variable names the
            # plan. Other plans migrate before a deploy, and set this variable to off.
            migrate_on_start=env.switch("MIGRATE_ON_START", True),
            public_url=public_url,
            allowed_hosts=_allowed_hosts(env, public_url),
            host="127.0.0.1" if development else "0.0.0.0",  # noqa: S104 - behind a proxy
            port=env.integer("PORT", 10000 if production else 5000, 1, 65535),
            web_concurrency=env.integer("WEB_CONCURRENCY", 1, 1, 64),
            shutdown_delay=env.integer("SHUTDOWN_DELAY", 30, 15, 300),
            log_level=env.choice("LOG_LEVEL", "info", _LOG_LEVELS),
            log_format=_log_format(env, production),
            client_ip_header=_client_ip_header(env, on_render),
            trusted_proxy_hops=env.integer("TRUSTED_PROXY_HOPS", 0, 0, 10),
            mail_url=_mail_url(env, development),
            mail_from=_mail_from(env, public_url),
            password_min_length=env.integer("PASSWORD_MIN_LENGTH", 8, *PASSWORD_MIN_LENGTH_BOUNDS),
            rate_limits=_rate_limits(env, production),
            metrics_token=metrics_token(env),
            metrics_folder=metrics_folder(env),
            trace_exporters=trace_exporters(env),
            release=_release(env),
        )


def _config_type(env: Environment, on_render: bool) -> ConfigType:
    text = env.text("CONFIG_TYPE") or ("production" if on_render else "development")
    if text.lower() not in _CONFIG_TYPES:
        raise wrong_value("CONFIG_TYPE", "development, production or testing", text)
    return _CONFIG_TYPES[text.lower()]


def _secret_key(env: Environment, config_type: ConfigType, instance_path: Path) -> str:
    key = env.text("SECRET_KEY")
    if config_type == "production" and (key is None or is_weak(key)):
        raise ConfigurationError(
            "SECRET_KEY",
            f"{MIN_LENGTH} random characters or more, such as those that"
            " python3 -c 'import secrets; print(secrets.token_urlsafe(32))' prints",
        )
    if key is not None:
        return key
    if config_type == "testing":
        return random_key()
    path = instance_path / "secret_key"
    try:
        return instance_key(path)
    except (OSError, ValueError):
        expected = f"a value, or a file {path} that can be made and read (delete a damaged one)"
        raise ConfigurationError("SECRET_KEY", expected) from None


def _secret_key_fallbacks(env: Environment, production: bool) -> tuple[str, ...]:
    keys = env.items("SECRET_KEY_FALLBACKS")
    if production and any(map(is_weak, keys)):
        raise ConfigurationError(
            "SECRET_KEY_FALLBACKS",
            f"earlier keys, comma separated, each of {MIN_LENGTH} random characters or more",
        )
    return keys


def _database(env: Environment, production: bool, root: Path) -> DatabaseSettings:
    text = env.text("DATABASE_URL")
    if text is None and production:
        raise ConfigurationError("DATABASE_URL", "a value in production, as postgresql://…")
    try:
        database = parse_database_url(text or "sqlite:///instance/app.db", root=root)
    except InvalidDatabaseURLError as error:
        raise ConfigurationError("DATABASE_URL", str(error)) from None
    if database.is_sqlite:
        _check_folder(Path(database.name or "").parent, root / "instance")
    elif not database.username and env.text("PGUSER") is None:
        _check_process_has_name()
    return database


def _check_process_has_name() -> None:
    """Refuse a URL without a user if the process's user has no name, which the driver would use."""
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # KeyError and ImportError: before Python 3.13
        raise ConfigurationError(
            "DATABASE_URL",
            f"a user name, as in postgresql://user@host/database: user id {os.geteuid()},"
            " which this process runs as, has no name",
        ) from None


def _check_folder(folder: Path, instance_path: Path) -> None:
    """Refuse a missing folder: its name is misspelt, or a disk is not mounted. Make `instance/`."""
    try:
        if folder == instance_path:
            folder.mkdir(parents=True, exist_ok=True)
        usable = folder.is_dir()
    except OSError:
        usable = False
    if not usable:
        raise ConfigurationError("DATABASE_URL", "an SQLite file in a folder that exists")


def _public_url(env: Environment, production: bool) -> str | None:
    name = "PUBLIC_URL" if env.text("PUBLIC_URL") else "RENDER_EXTERNAL_URL"
    text = env.text(name)
    if text is None and not production:
        return None
    match = re.fullmatch(rf"(https?)://({_HOST})/?", (text or "").lower())
    if match is None or (production and match[1] != "https"):
        scheme = "https" if production else "http or https"
        raise ConfigurationError(
            name if text else "PUBLIC_URL",
            f"the {scheme} address people use, as https://books.example.org, without a path",
        )
    return f"{match[1]}://{match[2].removesuffix(':443' if match[1] == 'https' else ':80')}"


def _allowed_hosts(env: Environment, public_url: str | None) -> frozenset[str]:
    hosts = [host.lower() for host in env.items("ALLOWED_HOSTS")]
    for host in hosts:
        if not re.fullmatch(_HOST, host):
            raise wrong_value("ALLOWED_HOSTS", "names or name:port, comma separated", host)
    return frozenset([*hosts, public_url.partition("://")[2]] if public_url else hosts)


def _log_format(env: Environment, production: bool) -> LogFormat:
    default: LogFormat = "json" if production else "text"
    return env.choice("LOG_FORMAT", default, ("text", "json"))


def _client_ip_header(env: Environment, on_render: bool) -> str | None:
    name = env.text("CLIENT_IP_HEADER") or ("CF-Connecting-IP" if on_render else None)
    if name is not None and not _HEADER_NAME.fullmatch(name):
        raise wrong_value("CLIENT_IP_HEADER", "the name of a header", name)
    return name


def _mail_url(env: Environment, development: bool) -> str:
    if not env.is_set("MAIL_URL"):
        return "console:" if development else ""
    # Here an empty value counts: it switches mail off in development.
    url = env.text("MAIL_URL") or ""
    pattern = rf"(console:|smtps?://(?:[^\s/?#@:]+(?::[^\s/?#@]*)?@)?{_HOST}/?)?"
    if not re.fullmatch(pattern, url, re.IGNORECASE):
        raise ConfigurationError(
            "MAIL_URL",
            "smtp://user:password@host:port, smtps://…, console: or nothing, with any of"
            " @ : / ? # % in the user name or password percent-escaped",
        )
    scheme, colon, rest = url.partition(":")
    return scheme.lower() + colon + rest.rstrip("/")


def _mail_from(env: Environment, public_url: str | None) -> str:
    host = re.sub(r"^https?://|:\d+$", "", public_url or "localhost")
    sender = env.text("MAIL_FROM") or f"readlog@{host}"
    # isprintable: a line break would begin another header.
    if not re.fullmatch(rf"{_ADDRESS}|[^<>@]+<{_ADDRESS}>", sender) or not sender.isprintable():
        raise wrong_value("MAIL_FROM", "name@example.org or Name <name@example.org>", sender)
    return sender


def _rate_limits(env: Environment, production: bool) -> bool:
    on = env.switch("RATE_LIMITS", True)
    if production and not on:
        raise ConfigurationError(
            "RATE_LIMITS", "on in production (CONFIG_TYPE=testing is for load tests)"
        )
    return on


def _release(env: Environment) -> str:
    commit = env.text("RENDER_GIT_COMMIT") or ""
    return commit[:7] if re.fullmatch(r"[0-9a-f]+", commit) else ""
