"""DATABASE_URL: what the drivers are told for what operators write."""

import inspect
import os
import ssl
import traceback
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from asyncpg import connect_utils

from service.config.database_parameters import (
    COMMAND_TIMEOUT,
    CONNECT_TIMEOUT,
    STATEMENT_TIMEOUT,
    InvalidDatabaseURLError,
)
from service.config.database_url import DatabaseSettings, parse_database_url

# Of nobody: made for this test, its key thrown away.
AUTHORITY = """-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUe1oxZyi6DPrWTDYZOQOrqS2VZZ8wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNUmVhZGxvZyB0ZXN0czAgFw0yNjExMjIxOTUyNTdaGA8yMTI2
MTAyOTE5NTI1N1owGDEWMBQGA1UEAwwNUmVhZGxvZyB0ZXN0czBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABPmuube22HdlUNjnzIYeym6jJw34BDlcCAunIYo+qm0G
DJjBBRez02A0g8y7M4/sk0Tyxc0jdIgvbJKtLaZDMAqjUzBRMB0GA1UdDgQWBBSV
6KKDhJO5FJ2umJ7bU3BkQbSb/TAfBgNVHSMEGDAWgBSV6KKDhJO5FJ2umJ7bU3Bk
QbSb/TAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIDPdOpo7FxHf
kBmlZHbgHJdjXNz2+kjqS+WiFZcEL6TPAiEA2rzj47UMj7eyJ5VM+ufCk9HnauNy
tztsVDosti5fid8=
-----END CERTIFICATE-----
"""


@pytest.fixture(autouse=True)
def _no_other_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """asyncpg fills what is missing from PG… variables and ~/.pgpass."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(AUTHORITY)
    return path


def parse(url: str, root: Path = Path("/srv/readlog")) -> DatabaseSettings:
    return parse_database_url(url, root=root)


def asyncpg_target(database: DatabaseSettings) -> tuple[list[Any], Any, Any]:
    """Addresses, parameters and limits that asyncpg itself makes of our URL and arguments."""
    positional, arguments = database.url.get_dialect()().create_connect_args(database.url)
    assert not positional
    call = inspect.signature(asyncpg.connect).bind(**{**arguments, **database.connect_args})
    call.apply_defaults()
    # Private, but nothing else tells what asyncpg would do without doing it.
    ask: Any = connect_utils._parse_connect_arguments
    wanted = inspect.signature(ask).parameters
    addresses, parameters, limits = ask(
        **{name: value for name, value in call.arguments.items() if name in wanted}
    )
    return addresses, parameters, limits


SOCKETS = ["/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp"]


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("postgresql://db.example/books", [("db.example", 5432)]),
        ("postgresql://db.example:6543/books", [("db.example", 6543)]),
        ("postgresql://db.example:/books", [("db.example", 5432)]),
        ("postgresql://10.0.0.7:5433/books", [("10.0.0.7", 5433)]),
        ("postgresql://[::1]/books", [("::1", 5432)]),
        ("postgresql://[2001:db8::7]:5433/books", [("2001:db8::7", 5433)]),
        ("postgresql://h1:5433,h2:5434/books", [("h1", 5433), ("h2", 5434)]),
        ("postgresql://h1:5433,h2/books", [("h1", 5433), ("h2", 5432)]),
        ("postgresql://h1,h2/books", [("h1", 5432), ("h2", 5432)]),
        ("postgresql://[::1]:5433,[::2]/books", [("::1", 5433), ("::2", 5432)]),
        ("postgresql:///books?host=h1&host=h2", [("h1", 5432), ("h2", 5432)]),
        ("postgresql:///books?host=h1:5433&host=h2:5434", [("h1", 5433), ("h2", 5434)]),
        ("postgresql:///books?host=h1,h2&port=5433", [("h1", 5433), ("h2", 5433)]),
        ("postgresql:///books?host=h1,h2&port=5433,5434", [("h1", 5433), ("h2", 5434)]),
        ("postgresql:///books?host=h1&host=h2&port=5433&port=5434", [("h1", 5433), ("h2", 5434)]),
        ("postgresql:///books?host=::1&port=5433", [("::1", 5433)]),
        ("postgresql://ignored:5433/books?host=db.example", [("db.example", 5433)]),
        ("postgresql://db.example/books?port=5433", [("db.example", 5433)]),
        ("postgresql:///books?host=/run/pg", ["/run/pg/.s.PGSQL.5432"]),
        ("postgresql:///books?host=/run/pg&port=5433", ["/run/pg/.s.PGSQL.5433"]),
        ("postgresql://:5433/books?host=/run/pg", ["/run/pg/.s.PGSQL.5433"]),
        ("postgresql://%2Frun%2Fpg/books", ["/run/pg/.s.PGSQL.5432"]),
        ("postgresql://%2Frun%2Fpg:5433/books", ["/run/pg/.s.PGSQL.5433"]),
        (
            "postgresql://%2Frun%2Fpg,db.example:5433/books",
            ["/run/pg/.s.PGSQL.5432", ("db.example", 5433)],
        ),
        (
            "postgresql:///books?host=/cloudsql/project:region:db1",
            ["/cloudsql/project:region:db1/.s.PGSQL.5432"],
        ),
        (
            "postgresql:///books",
            [*(f"{path}/.s.PGSQL.5432" for path in SOCKETS), ("localhost", 5432)],
        ),
        (
            "postgresql://:5433/books",
            [*(f"{path}/.s.PGSQL.5433" for path in SOCKETS), ("localhost", 5433)],
        ),
    ],
)
def test_asyncpg_connects_to(url: str, addresses: list[object]) -> None:
    assert asyncpg_target(parse(url))[0] == addresses


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "PostgreSQL"])
def test_schemes(scheme: str) -> None:
    database = parse(f"{scheme}://reader:pw@db.example/books")
    assert str(database.url) == "postgresql+asyncpg://reader:***@db.example:5432/books"
    assert not database.is_sqlite


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("p%40ss%2Fw:o?rd#é%25", "p@ss/w:o?rd#é%"),
        ("p%C3%A9%E2%82%AC", "pé€"),
        ("a+b c", "a+b c"),
        ("100%", "100%"),
        ("%2525", "%25"),
        ("?x=1&y=2", "?x=1&y=2"),
        ("%0A%09'\"\\", "\n\t'\"\\"),
    ],
)
def test_password_arrives(written: str, meant: str) -> None:
    url = f"postgresql://us%40er%3A:{written}@db.example:5433/bo%2Foks%3F"
    _, parameters, _ = asyncpg_target(parse(url))
    assert parameters.password == meant
    assert (parameters.user, parameters.database) == ("us@er:", "bo/oks?")


def test_names_in_the_query() -> None:
    """As with libpq, they win over those before the question mark."""
    url = "postgresql://other:wrong@db.example/x?user=r%40host&password=p+w%26&dbname=books"
    _, parameters, _ = asyncpg_target(parse(url))
    assert (parameters.user, parameters.password) == ("r@host", "p+w&")
    assert parameters.database == "books"


def test_database_defaults_to_the_user() -> None:
    _, parameters, _ = asyncpg_target(parse("postgresql://reader@db.example"))
    assert (parameters.user, parameters.database) == ("reader", "reader")


def test_display_names_the_place_without_password() -> None:
    database = parse("postgresql://us%40er:hunter2hunter2@h1,[::1]:5433/bo%0Aoks?sslmode=require")
    assert database.display == "postgresql://us%40er@h1:5432,::1:5433/bo%0Aoks"
    assert "hunter2" not in repr(database) + repr(database.url)
    assert parse("postgresql:///b?host=/run/pg").display == "postgresql:///run/pg:5432/b"
    assert parse("sqlite:///a b.db").display == "sqlite:////srv/readlog/a%20b.db"


def test_limits_reach_the_server() -> None:
    database = parse("postgresql://db.example/books")
    _, parameters, config = asyncpg_target(database)
    assert parameters.server_settings == {
        "application_name": "readlog",
        "jit": "off",
        "statement_timeout": "3000",
        "lock_timeout": "1500",
        "idle_in_transaction_session_timeout": "30000",
        "timezone": "UTC",
    }
    assert config.command_timeout == COMMAND_TIMEOUT == 3.5
    assert database.connect_args["timeout"] == CONNECT_TIMEOUT == 3
    # The server should give up first: its answer says what happened.
    assert STATEMENT_TIMEOUT / 1000 < COMMAND_TIMEOUT


def test_migrations_have_no_statement_limit() -> None:
    database = parse("postgresql://db.example/books?connect_timeout=9&options=-cwork_mem%3D4MB")
    changed = database.migration_connect_args
    settings = changed["server_settings"]
    assert isinstance(settings, dict)
    assert (settings["statement_timeout"], settings["work_mem"]) == ("0", "4MB")
    assert (changed["timeout"], changed["command_timeout"]) == (9.0, None)
    _, parameters, _ = asyncpg_target(database)
    assert parameters.server_settings["statement_timeout"] == "3000"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("-c statement_timeout=500", {"statement_timeout": "500"}),
        ("-cstatement_timeout=500", {"statement_timeout": "500"}),
        ("--statement-timeout=500", {"statement_timeout": "500"}),
        ("-c Search_Path=a,b  -c x.y=z", {"search_path": "a,b", "x.y": "z"}),
        (r"-c search_path=a,\ b --jit=on", {"search_path": "a, b", "jit": "on"}),
        ("-c search_path=", {"search_path": ""}),
        ("-c TimeZone=Europe/Paris", {"timezone": "UTC"}),
    ],
)
def test_options_are_settings(options: str, expected: dict[str, str]) -> None:
    escaped = options.replace(" ", "%20").replace("=", "%3D")
    _, parameters, _ = asyncpg_target(parse(f"postgresql://db.example/books?options={escaped}"))
    assert parameters.server_settings.items() >= expected.items()


def test_application_name() -> None:
    _, parameters, _ = asyncpg_target(parse("postgresql://h/b?application_name=a%20b+c"))
    assert parameters.server_settings["application_name"] == "a b+c"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
@pytest.mark.parametrize("parameter", ["sslmode", "ssl"])
def test_unverified_modes(parameter: str, mode: str) -> None:
    _, parameters, _ = asyncpg_target(parse(f"postgresql://db.example/books?{parameter}={mode}"))
    assert parameters.sslmode.name == mode
    if mode == "disable":
        assert parameters.ssl is False
    else:
        assert parameters.ssl.verify_mode is ssl.CERT_NONE
        assert parameters.ssl.check_hostname is False


def test_encryption_is_preferred_by_default() -> None:
    _, parameters, _ = asyncpg_target(parse("postgresql://db.example/books"))
    assert parameters.sslmode.name == "prefer"


def test_jdbc_ssl_true() -> None:
    _, parameters, _ = asyncpg_target(parse("postgresql://db.example/books?ssl=true"))
    assert parameters.sslmode.name == "require"


@pytest.mark.parametrize(
    ("mode", "checks_name"), [("require", False), ("verify-ca", False), ("verify-full", True)]
)
def test_verified_modes(authority: Path, mode: str, checks_name: bool) -> None:
    """A file of authorities is used by `require` too, as by libpq; names only by verify-full."""
    database = parse(f"postgresql://db.example/b?sslmode={mode}&sslrootcert={authority}")
    _, parameters, _ = asyncpg_target(database)
    assert parameters.ssl.verify_mode is ssl.CERT_REQUIRED
    assert parameters.ssl.check_hostname is checks_name
    assert parameters.ssl.minimum_version is ssl.TLSVersion.TLSv1_2
    assert len(parameters.ssl.get_ca_certs()) == 1
    # Without this asyncpg would fall back to no encryption.
    assert parameters.sslmode.name == "require"


def test_revoked_certificates(authority: Path) -> None:
    url = f"postgresql://h/b?sslmode=require&sslrootcert={authority}&sslcrl="
    _, parameters, _ = asyncpg_target(parse(f"{url}{authority}"))
    assert parameters.ssl.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN == ssl.VERIFY_CRL_CHECK_CHAIN
    with pytest.raises(InvalidDatabaseURLError, match="sslcrl"):
        parse(f"{url}/no/such.pem")


def test_certificates_relative_to_the_root(authority: Path) -> None:
    url = f"postgresql://h/b?sslmode=verify-ca&sslrootcert={authority.name}"
    _, parameters, _ = asyncpg_target(parse(url, root=authority.parent))
    assert len(parameters.ssl.get_ca_certs()) == 1


@pytest.mark.parametrize("mode", ["", "&sslmode=verify-full"])
def test_system_authorities(monkeypatch: pytest.MonkeyPatch, authority: Path, mode: str) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    _, parameters, _ = asyncpg_target(parse(f"postgresql://h/b?sslrootcert=system{mode}"))
    assert parameters.ssl.verify_mode is ssl.CERT_REQUIRED
    assert parameters.ssl.check_hostname is True
    subjects = [certificate["subject"] for certificate in parameters.ssl.get_ca_certs()]
    assert ((("commonName", "Readlog tests"),),) in subjects


def test_tls_versions_and_negotiation() -> None:
    _, parameters, _ = asyncpg_target(
        parse(
            "postgresql://h/b?sslmode=require&sslnegotiation=direct"
            "&ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.3"
        )
    )
    assert parameters.ssl.minimum_version is ssl.TLSVersion.TLSv1_3
    assert parameters.ssl.maximum_version is ssl.TLSVersion.TLSv1_3
    assert parameters.ssl_negotiation == "direct"


def test_target_session_attributes() -> None:
    url = "postgresql://h1,h2/b?target_session_attrs=read-write"
    _, parameters, _ = asyncpg_target(parse(url))
    assert parameters.target_session_attrs.value == "read-write"


def test_passfile(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("db.example:5432:books:reader:from-file\n")
    (tmp_path / "pass").chmod(0o600)
    url = "postgresql://reader@db.example/books?passfile=pass"
    _, parameters, _ = asyncpg_target(parse(url, root=tmp_path))
    assert parameters.password == "from-file"


def test_harmless_parameters_are_dropped() -> None:
    """Those of managed databases' ready-made URLs, and blank ones."""
    extra = (
        "channel_binding=require&gssencmode=prefer&keepalives=1&keepalives_idle=30&sslsni=1"
        "&tcp_user_timeout=9&pgbouncer=false&pool_mode=session&connection_limit=5&pool_timeout=3&sslmode="
        "&connect_timeout=&target_session_attrs=&options=&load_balance_hosts=disable&&"
    )
    plain, loaded = parse("postgresql://h/b"), parse(f"postgresql://h/b?{extra}")
    assert loaded == plain


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("", "sqlite:///path"),
        ("postgresql", "sqlite:///path"),
        ("postgresql:/h/b", "sqlite:///path"),
        ("mysql://u:SECRET@h/b", "postgresql://"),
        ("postgresql+psycopg2://u:SECRET@h/b", "postgresql+asyncpg://"),
        ("postgresql://h/b\n?sslmode=require", "control characters"),
        ("postgresql://u:SECRET%00x@h/b", "%00"),
        ("postgresql://u:SECRET%ff@h/b", "UTF-8"),
        ("postgresql://u:SEC/RET@h/b", "%2F"),
        ("postgresql://u:12/SECRET@h/b", "%2F"),
        ("postgresql://u:12/x?SECRET@h/b", "%2F"),
        ("postgresql://u:SEC@RET@h/b", "%40"),
        ("postgresql://u:p:SECRET/b", "port"),
        ("postgresql://h:0/b", "port"),
        ("postgresql://h:65536/b", "port"),
        ("postgresql://h:५/b", "port"),
        ("postgresql://[::1/b", "host"),
        ("postgresql://2001:db8::7:5432/b", "port"),
        ("postgresql://h1,,h2/b", "gaps"),
        ("postgresql://h1:1,h2:2/b?host=h3", "one port"),
        ("postgresql://h1,h2/b?port=1,2,3", "one port"),
        ("postgresql://h/b?sslmode=SECRET", "sslmode as one of"),
        ("postgresql://h/b?sslmode=verify_full", "sslmode as one of"),
        ("postgresql://h/b?sslmode=require#SECRET", "sslmode as one of"),
        ("postgresql://h/b?ssl=false", "sslmode as one of"),
        ("postgresql://h/b?sslmode=verify-full", "sslrootcert"),
        ("postgresql://h/b?sslmode=verify-ca&sslrootcert=/no/such.pem", "sslrootcert"),
        ("postgresql://h/b?sslmode=require&sslrootcert=system", "verify-full"),
        ("postgresql://h/b?sslrootcert=/ca.pem", "sslmode"),
        ("postgresql://h/b?sslmode=prefer&sslcert=/c.pem", "sslmode"),
        ("postgresql://h/b?sslmode=require&sslcert=/no/such.pem", "sslcert"),
        ("postgresql://h/b?sslmode=require&sslkey=/no/such.pem", "sslcert"),
        ("postgresql://h/b?sslmode=require&sslcrl=/no/such.pem", "sslrootcert"),
        ("postgresql://h/b?sslmode=require&ssl_min_protocol_version=TLSv1", "TLSv1.2"),
        (
            "postgresql://h/b?sslmode=require&ssl_min_protocol_version=TLSv1.3"
            "&ssl_max_protocol_version=TLSv1.2",
            "ssl_max_protocol_version",
        ),
        ("postgresql://h/b?sslnegotiation=direct", "sslmode"),
        ("postgresql://h/b?sslmode=require&sslnegotiation=maybe", "sslnegotiation"),
        ("postgresql://h/b?connect_timeout=0", "connect_timeout"),
        ("postgresql://h/b?connect_timeout=301", "connect_timeout"),
        ("postgresql://h/b?connect_timeout=2.5", "connect_timeout"),
        ("postgresql://h/b?target_session_attrs=primary-ish", "target_session_attrs"),
        ("postgresql://h/b?options=endpoint%3DSECRET", "options"),
        ("postgresql://h/b?options=-c%20SECRET", "options"),
        ("postgresql://h/b?options=-d%205", "options"),
        ("postgresql://h/b?service=books", "service"),
        ("postgresql://h/b?hostaddr=10.0.0.1", "hostaddr"),
        ("postgresql://h/b?passfile=/no/such", "passfile"),
        ("postgresql://h/b?pgbouncer=true", "a pooler in session mode: pgbouncer"),
        ("postgresql://h/b?pgbouncer=SECRET", "a pooler in session mode: pgbouncer"),
        ("postgresql://h/b?pool_mode=transaction", "a pooler in session mode: pool_mode"),
        ("postgresql://h/b?schema=SECRET", "'schema'"),
        ("postgresql://h/b?SSLMODE=require", "'SSLMODE'"),
        ("sqlite://", "in memory"),
        ("sqlite:///", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite+aiosqlite:///:memory:", "in memory"),
        ("sqlite:///file::memory:?cache=shared&uri=true", "in memory"),
        ("sqlite://app.db", "sqlite:///path"),
        ("sqlite:///app.db?mode=ro", "without parameters"),
        ("sqlite:///a%00b", "%00"),
    ],
)
def test_refused_in_one_line_without_secrets(url: str, named: str) -> None:
    with pytest.raises(InvalidDatabaseURLError) as caught:
        parse(url)
    assert named in str(caught.value)
    assert str(caught.value).isprintable()
    trace = "".join(traceback.format_exception(caught.value))
    assert not any(secret in trace for secret in ("SECRET", "SEC@RET", "RET@h"))


def test_unreadable_certificates(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    for value in ("junk.pem", "."):
        with pytest.raises(InvalidDatabaseURLError, match="sslrootcert"):
            parse(f"postgresql://h/b?sslmode=verify-ca&sslrootcert={value}", root=tmp_path)


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("instance/app.db", "/srv/readlog/instance/app.db"),
        ("/var/lib/app.db", "/var/lib/app.db"),
        ("a%20b%3F%25.db", "/srv/readlog/a b?%.db"),
        ("a@b.db", "/srv/readlog/a@b.db"),
    ],
)
def test_sqlite_paths(scheme: str, path: str, expected: str) -> None:
    database = parse(f"{scheme}:///{path}")
    assert database.is_sqlite
    assert database.url.drivername == "sqlite+aiosqlite"
    positional, _ = database.url.get_dialect()().create_connect_args(database.url)
    assert positional == [expected]
    assert database.connect_args == database.migration_connect_args == {}
