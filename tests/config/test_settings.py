"""Settings: defaults, every refusal in one line that names the variable, and no secret told."""

import os
import secrets
import stat
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from threading import Barrier

import pytest

from service.config import ConfigurationError, Settings
from service.config.inspection import read_settings
from service.config.secret_keys import instance_key, is_weak

STRONG = "kW9vQz3RtY7uXbN2mLpA5sDfGhJ8eC4i"
OTHER = "0f1e5d9c3b7a86420f2e4d6c8ba97531"
PRODUCTION = {
    "CONFIG_TYPE": "production",
    "SECRET_KEY": STRONG,
    "DATABASE_URL": "postgresql://reader:hunter2@db.example/books",
    "PUBLIC_URL": "https://books.example",
}


def read(root: Path, /, **environ: str) -> Settings:
    return Settings.from_env(environ, root=root)


def production(root: Path, /, **environ: str) -> Settings:
    return Settings.from_env(PRODUCTION | environ, root=root)


def refusal(root: Path, /, environ: dict[str, str]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(environ, root=root)
    assert str(caught.value).startswith(f"{caught.value.variable}: expected ")
    assert str(caught.value).isprintable(), "one line"
    return caught.value


def test_development_needs_no_variable(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert settings.config_type == "development"
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)
    assert settings.database.is_sqlite
    assert settings.database.name == str(tmp_path / "instance" / "app.db")
    assert settings.instance_path == tmp_path / "instance"
    assert (settings.public_url, settings.allowed_hosts) == (None, frozenset())
    assert (settings.log_level, settings.log_format) == ("info", "text")
    assert (settings.mail_url, settings.mail_from) == ("console:", "readlog@localhost")
    assert (settings.client_ip_header, settings.trusted_proxy_hops) == (None, 0)
    assert (settings.db_pool_size, settings.db_max_overflow) == (5, 5)
    assert (settings.web_concurrency, settings.password_min_length) == (1, 8)
    assert settings.migrate_on_start
    assert settings.rate_limits
    assert not settings.secure_cookies
    assert settings.release == ""


def test_production_defaults(tmp_path: Path) -> None:
    settings = production(tmp_path)
    assert (settings.host, settings.port) == ("0.0.0.0", 10000)
    assert settings.secure_cookies
    assert (settings.log_format, settings.mail_url) == ("json", "")
    assert settings.mail_from == "readlog@books.example"
    assert settings.public_url == "https://books.example"
    assert settings.allowed_hosts == {"books.example"}
    assert not settings.database.is_sqlite
    assert list(tmp_path.iterdir()) == [], "production keeps nothing on the disk"


def test_on_render(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        RENDER="true",
        SECRET_KEY=STRONG,
        DATABASE_URL="postgresql://u:p@dpg-1/books",
        RENDER_EXTERNAL_URL="https://readlog.onrender.com",
        RENDER_GIT_COMMIT="0123456789abcdef0123456789abcdef01234567",
        PORT="8080",
        WEB_CONCURRENCY="2",
    )
    assert settings.config_type == "production"
    assert settings.public_url == "https://readlog.onrender.com"
    assert settings.client_ip_header == "CF-Connecting-IP"
    assert (settings.port, settings.web_concurrency) == (8080, 2)
    assert settings.release == "0123456"
    assert settings.migrate_on_start


def test_public_url_wins_over_renders(tmp_path: Path) -> None:
    settings = production(tmp_path, RENDER_EXTERNAL_URL="https://readlog.onrender.com")
    assert settings.allowed_hosts == {"books.example"}


def test_testing(tmp_path: Path) -> None:
    """Load tests run with CONFIG_TYPE=testing on a production machine: RENDER does not matter."""
    settings = read(tmp_path, CONFIG_TYPE="testing", RENDER="true", RATE_LIMITS="off")
    assert settings.config_type == "testing"
    assert not settings.rate_limits
    assert settings.mail_url == ""
    assert len(settings.secret_key) >= 32
    assert settings.secret_key != read(tmp_path, CONFIG_TYPE="testing").secret_key
    assert not (tmp_path / "instance" / "secret_key").exists()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("config.DevelopmentConfig", "development"),
        ("config.ProductionConfig", "production"),
        ("config.TestingConfig", "testing"),
        ("Production", "production"),
        (" testing\n", "testing"),
        ("", "development"),
    ],
)
def test_config_types(tmp_path: Path, written: str, meant: str) -> None:
    assert production(tmp_path, CONFIG_TYPE=written).config_type == meant


def test_empty_variables_count_as_unset(tmp_path: Path) -> None:
    names = "SECRET_KEY DATABASE_URL PUBLIC_URL PORT LOG_LEVEL RATE_LIMITS RENDER ALLOWED_HOSTS"
    assert read(tmp_path, **dict.fromkeys(names.split(), " ")) == read(tmp_path)


@pytest.mark.parametrize("word", ["on", "On", "true", "TRUE", "1", "yes"])
def test_switch_on(tmp_path: Path, word: str) -> None:
    assert read(tmp_path, MIGRATE_ON_START=word).migrate_on_start


@pytest.mark.parametrize("word", ["off", "OFF", "false", "0", "no"])
def test_switch_off(tmp_path: Path, word: str) -> None:
    assert not read(tmp_path, MIGRATE_ON_START=word).migrate_on_start


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("PORT", 1, 65535),
        ("WEB_CONCURRENCY", 1, 64),
        ("SHUTDOWN_DELAY", 15, 300),
        ("DB_POOL_SIZE", 1, 100),
        ("DB_MAX_OVERFLOW", 0, 100),
        ("TRUSTED_PROXY_HOPS", 0, 10),
        ("PASSWORD_MIN_LENGTH", 6, 64),
    ],
)
def test_numbers_have_bounds(tmp_path: Path, name: str, low: int, high: int) -> None:
    for good in (low, high):
        assert getattr(read(tmp_path, **{name: str(good)}), name.lower()) == good
    for bad in (str(low - 1), str(high + 1), "2.0", "1_0", "+7", "७", "seven", "7" * 5000):
        error = refusal(tmp_path, {name: bad})
        assert error.variable == name
        assert f"from {low} to {high}" in str(error)
        assert len(str(error)) < 120, "the value is shortened"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CONFIG_TYPE", "prod", "development, production or testing"),
        ("LOG_LEVEL", "verbose", "debug, info, warning, error, critical"),
        ("LOG_FORMAT", "xml", "text, json"),
        ("RATE_LIMITS", "maybe", "on or off"),
        ("MIGRATE_ON_START", "2", "on or off"),
        ("CLIENT_IP_HEADER", "X Real IP", "header"),
        ("CLIENT_IP_HEADER", "X-Real-IP:", "header"),
        ("ALLOWED_HOSTS", "https://a.example", "names"),
        ("ALLOWED_HOSTS", "a.example,*", "names"),
        ("ALLOWED_HOSTS", "a.example:0", "names"),
        ("ALLOWED_HOSTS", "a.example:65536", "names"),
        ("ALLOWED_HOSTS", "a.example/x", "names"),
        ("PUBLIC_URL", "books.example", "http"),
        ("PUBLIC_URL", "ftp://books.example", "http"),
        ("PUBLIC_URL", "https://", "http"),
        ("PUBLIC_URL", "https://books.example/app", "without a path"),
        ("PUBLIC_URL", "https://books.example/?x=1", "without a path"),
        ("PUBLIC_URL", "https://books.example#top", "without a path"),
        ("PUBLIC_URL", "https://me:hunter2@books.example", "http"),
        ("PUBLIC_URL", "https://books.example:99999", "http"),
        ("PUBLIC_URL", "https://books.example https://b.example", "http"),
        ("RENDER_EXTERNAL_URL", "https://books.example/app", "without a path"),
        ("MAIL_URL", "mail.example", "smtp://"),
        ("MAIL_URL", "imap://mail.example", "smtp://"),
        ("MAIL_URL", "smtp://", "smtp://"),
        ("MAIL_URL", "smtp://mail.example:0", "smtp://"),
        ("MAIL_URL", "smtp://u:hunter2/x@mail.example", "percent-escaped"),
        ("MAIL_URL", "smtp://u:hunter2@x@mail.example", "percent-escaped"),
        ("MAIL_URL", "smtp://mail.example/path", "smtp://"),
        ("MAIL_URL", "smtp://mail.example?tls=1", "smtp://"),
        ("MAIL_URL", "console:x", "smtp://"),
        ("MAIL_FROM", "readlog", "name@example.org"),
        ("MAIL_FROM", "a@b.example, c@d.example", "name@example.org"),
        ("MAIL_FROM", "Readlog <a@b.example>\nBcc: x@y.example", "name@example.org"),
        ("MAIL_FROM", "Readlog\r\nBcc: x <a@b.example>", "name@example.org"),
        ("METRICS_TOKEN", "hunter2", "16 random ASCII characters"),
        ("METRICS_TOKEN", "hunter2 hunter2 hunter2", "without blanks"),
        ("METRICS_TOKEN", "hunter2-hünter2-hunter2", "ASCII"),
        ("DATABASE_URL", "mysql://u:hunter2@h/b", "postgresql://"),
        ("DATABASE_URL", "postgresql://u:hunter2@h/b?sslmode=never", "sslmode"),
        ("DATABASE_URL", "sqlite://", "in memory"),
        ("DATABASE_URL", "sqlite:///no/such/folder/app.db", "folder"),
        ("DATABASE_URL", "sqlite:////proc/version/app.db", "folder"),
    ],
)
def test_refused(tmp_path: Path, name: str, value: str, expected: str) -> None:
    error = refusal(tmp_path, {name: value})
    assert error.variable == name
    assert expected in error.expected
    assert "hunter2" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", STRONG[:31]),
        ("SECRET_KEY", "changeme"),
        ("SECRET_KEY_FALLBACKS", f"{OTHER},BAD_SECRET_KEY"),
        ("PUBLIC_URL", ""),
        ("PUBLIC_URL", "http://books.example"),
        ("DATABASE_URL", ""),
        ("RATE_LIMITS", "off"),
    ],
)
def test_refused_in_production_only(tmp_path: Path, name: str, value: str) -> None:
    error = refusal(tmp_path, PRODUCTION | {name: value})
    assert error.variable == name
    trace = "".join(traceback.format_exception(error))
    assert not any(secret in trace for secret in (STRONG[:31], OTHER, "changeme", "hunter2"))
    production(tmp_path, CONFIG_TYPE="testing", **{name: value})


def test_production_on_sqlite_is_meant(tmp_path: Path) -> None:
    """A disk of one's own may hold the database; only the default is an accident."""
    database = production(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/books.db").database
    assert (database.is_sqlite, database.name) == (True, str(tmp_path / "books.db"))


@pytest.mark.parametrize("period", range(1, 17))
def test_repeating_keys_are_weak(period: int) -> None:
    assert is_weak((STRONG[:period] * 40)[:50])


@pytest.mark.parametrize(
    "key",
    [
        "BAD_SECRET_KEY",
        "BAD_SECRET_KEY".ljust(40, "0"),
        "0000000000000_BAD_SECRET_KEY_0000000000000",
        "BAD_SECRET_KEY_BAD_SECRET_KEY_BAD_SECRET_KEY",
        "changeme-changeme-changeme-changeme-12345",
        "please-change-this-secret-key-in-production",
        "your-secret-key-here-your-secret-key-here!",
        "super_secret_development_token_value_123456",
        "dev-secret-key-1234567890-dev-secret-key",
        "password_secret_changeme_q7w8e9r0t1z2",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890",
        "qwertyuiopasdfghjklzxcvbnm1234567890",
        "django-insecure-8v#k2p!x9w$z4m@n7q%r5t^y3u&i",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "10101001011010100101101001011010010110100110",
    ],
)
def test_weak_keys(key: str) -> None:
    assert is_weak(key)


def test_random_keys_are_strong() -> None:
    """As people and platforms make them; generateValue of Render is base64 of 32 bytes."""
    assert not is_weak(STRONG)
    assert not is_weak(OTHER)
    for _ in range(200):
        assert not is_weak(secrets.token_urlsafe(32))
        assert not is_weak(secrets.token_hex(32))


def test_fallback_keys(tmp_path: Path) -> None:
    settings = production(tmp_path, SECRET_KEY_FALLBACKS=f" {OTHER} ,, {STRONG[::-1]}")
    assert settings.secret_key == STRONG
    assert settings.secret_key_fallbacks == (OTHER, STRONG[::-1])
    assert production(tmp_path).secret_key_fallbacks == ()


def test_development_keeps_its_key(tmp_path: Path) -> None:
    path = tmp_path / "instance" / "secret_key"
    key = read(tmp_path).secret_key
    assert path.read_text() == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not is_weak(key)
    assert read(tmp_path).secret_key == key
    assert read(tmp_path, SECRET_KEY="dev").secret_key == "dev"


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    path = tmp_path / "instance" / "secret_key"
    for _ in range(20):
        path.unlink(missing_ok=True)
        barrier = Barrier(8)

        def start(barrier: Barrier = barrier) -> str:
            barrier.wait()
            return instance_key(path)

        with ThreadPoolExecutor(8) as pool:
            keys = {future.result() for future in [pool.submit(start) for _ in range(8)]}
        assert keys == {path.read_text()}
    assert os.listdir(path.parent) == ["secret_key"]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40])
def test_damaged_key_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance" / "secret_key").write_bytes(content)
    assert refusal(tmp_path, {}).variable == "SECRET_KEY"


def test_instance_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "instance").write_text("a file")
    assert refusal(tmp_path, {}).variable == "SECRET_KEY"
    assert refusal(tmp_path, {"SECRET_KEY": "dev"}).variable == "DATABASE_URL"


def test_instance_folder_is_made_for_the_database(tmp_path: Path) -> None:
    read(tmp_path, SECRET_KEY="dev", DATABASE_URL="sqlite:///instance/other.db")
    assert os.listdir(tmp_path / "instance") == []


@pytest.mark.parametrize(
    ("written", "meant", "host"),
    [
        ("https://Books.Example/", "https://books.example", "books.example"),
        ("https://books.example:443", "https://books.example", "books.example"),
        ("https://books.example:8443", "https://books.example:8443", "books.example:8443"),
        ("http://books.example:80/", "http://books.example", "books.example"),
        ("http://books.example:443", "http://books.example:443", "books.example:443"),
        ("http://[::1]:5000", "http://[::1]:5000", "[::1]:5000"),
        ("http://localhost", "http://localhost", "localhost"),
    ],
)
def test_public_url_is_an_origin(tmp_path: Path, written: str, meant: str, host: str) -> None:
    settings = read(tmp_path, PUBLIC_URL=written)
    assert settings.public_url == meant
    assert settings.allowed_hosts == {host}


def test_allowed_hosts(tmp_path: Path) -> None:
    settings = production(tmp_path, ALLOWED_HOSTS="Other.example, 10.0.0.1:8080,,[::1]")
    assert settings.allowed_hosts == {"books.example", "other.example", "10.0.0.1:8080", "[::1]"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", ""),
        ("console:", "console:"),
        ("smtp://mail.example", "smtp://mail.example"),
        ("SMTP://127.0.0.1:2525/", "smtp://127.0.0.1:2525"),
        ("smtps://u%40x:p%2Fw:@mail.example:465", "smtps://u%40x:p%2Fw:@mail.example:465"),
        ("smtp://user@mail.example", "smtp://user@mail.example"),
    ],
)
def test_mail_urls(tmp_path: Path, written: str, meant: str) -> None:
    assert read(tmp_path, MAIL_URL=written).mail_url == meant


@pytest.mark.parametrize("sender", ["a+b@mail.example", "Böcher & Co <a@b.example>"])
def test_mail_senders(tmp_path: Path, sender: str) -> None:
    assert read(tmp_path, MAIL_FROM=sender).mail_from == sender


@pytest.mark.parametrize(
    ("public_url", "sender"),
    [("http://a.example:8080", "readlog@a.example"), ("http://[::1]:80", "readlog@[::1]")],
)
def test_default_sender(tmp_path: Path, public_url: str, sender: str) -> None:
    assert read(tmp_path, PUBLIC_URL=public_url).mail_from == sender


def test_metrics_folder(tmp_path: Path) -> None:
    """It has a meaning with the token only, and must be there then."""
    token = "0123456789abcdef"
    assert read(tmp_path, METRICS_TOKEN=token).metrics_folder is None
    assert read(tmp_path, PROMETHEUS_MULTIPROC_DIR="/nowhere").metrics_folder is None
    both = {"METRICS_TOKEN": token, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    assert read(tmp_path, **both).metrics_folder == tmp_path
    error = refusal(tmp_path, both | {"PROMETHEUS_MULTIPROC_DIR": "/nowhere"})
    assert error.variable == "PROMETHEUS_MULTIPROC_DIR"


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environ", "exporters"),
    [
        ({}, ()),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_METRICS_EXPORTER": "otlp"}, ()),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ()),
        (ENDPOINT, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1"}, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1"}, ()),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ("otlp_proto_http", "console")),
        ({"OTEL_TRACES_EXPORTER": "none"} | ENDPOINT, ()),
        ({"OTEL_TRACES_EXPORTER": "console"} | ENDPOINT, ("console",)),
        ({"OTEL_SDK_DISABLED": "True"} | ENDPOINT, ()),
        ({"OTEL_SDK_DISABLED": "1"} | ENDPOINT, ("otlp_proto_http",)),  # only "true" is
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"} | ENDPOINT, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"} | ENDPOINT, ("otlp_proto_grpc",)),
        (
            {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            }
            | ENDPOINT,
            ("otlp_proto_http",),
        ),
    ],
)
def test_trace_exporters(
    tmp_path: Path, environ: dict[str, str], exporters: tuple[str, ...]
) -> None:
    assert read(tmp_path, **environ).trace_exporters == exporters


def test_release_is_a_commit_or_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, RENDER_GIT_COMMIT="<script>").release == ""


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("No username set")])
def test_user_of_the_process_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The driver would ask for it, where neither URL nor environment has a user."""

    def fail() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", fail)
    for url in ("postgresql://db/books", "postgresql://:hunter2@db/books"):
        with pytest.raises(ConfigurationError, match="DATABASE_URL: expected a user name") as it:
            read(tmp_path, DATABASE_URL=url)
        assert "hunter2" not in str(it.value)
    read(tmp_path, DATABASE_URL="postgresql://db/books", PGUSER="reader")
    for url in ("postgresql://reader@db/books", "postgresql://db/b?user=reader", "sqlite:///a.db"):
        read(tmp_path, DATABASE_URL=url)
    errors = read_settings({"DATABASE_URL": "postgresql://db/books", "PORT": "0"}, root=tmp_path)
    assert isinstance(errors, list)
    assert {error.variable for error in errors} == {"DATABASE_URL", "PORT"}


def test_secrets_do_not_show(tmp_path: Path) -> None:
    settings = production(
        tmp_path,
        SECRET_KEY_FALLBACKS=OTHER,
        METRICS_TOKEN="hunter2-hunter2-hunter2",
        MAIL_URL="smtp://u:hunter2@mail.example",
        DATABASE_URL="postgresql://u:hunter2@h1,h2/b?options=-c%20x.y%3Dhunter2",
    )
    shown = repr(settings) + str(settings) + settings.database.display + repr(settings.database.url)
    assert not any(secret in shown for secret in ("hunter2", STRONG, OTHER))


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = read(tmp_path)
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]  # the claim itself
    assert replace(settings, port=1).port == 1


def test_import_reads_and_loads_nothing() -> None:
    """Scripts want one setting without half a second of SQLAlchemy; importing writes nothing."""
    code = (
        "import os, sys; os.environ.clear(); os.environ['PORT'] = 'wrong'; import service.config;"
        "sys.exit(' '.join({'sqlalchemy', 'quart', 'asyncpg', 'ssl'} & set(sys.modules)) or None)"
    )
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_process_environment_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "environ", {"PORT": "7777"})
    assert Settings.from_env(root=tmp_path).port == 7777
