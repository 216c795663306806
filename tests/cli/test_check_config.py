"""check-config: everything that is wrong, everything that is risky, and no secret."""

import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from service.config.inspection import is_on_render, read_settings
from tests.cli.conftest import Run
from tests.file_modes import held_to_modes
from tests.migrations.databases import Database
from tests.production import SECRET_KEY, production
from tests.servers import ROOT, free_port

SAFE = {"MAIL_URL": "smtp://mail.example.org", "TRUSTED_PROXY_HOPS": "1"}


@pytest.fixture
def environment(migrated_postgresql: str) -> dict[str, str]:
    """A production service that nothing is to be said about."""
    return production(migrated_postgresql, **SAFE)


def levels(output: str) -> list[str]:
    return [line.partition(":")[0] for line in output.splitlines()]


def test_nothing_to_say(run: Run) -> None:
    done = run("check-config")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("ok: nothing wrong or risky: production, postgresql://postgres@")
    assert len(done.stdout.splitlines()) == 1


def test_on_render(run: Run) -> None:
    """As Render's free plan starts it: only the mail is missing, and SQLite is not what is used."""
    more = {"RENDER": "true", "RENDER_EXTERNAL_URL": "https://x.onrender.com", "PUBLIC_URL": ""}
    done = run("check-config", **more, TRUSTED_PROXY_HOPS="", MAIL_URL="")
    assert done.exit_code == 1
    assert levels(done.stdout) == ["warning"]
    assert "MAIL_URL: no mail" in done.stdout
    done = run("check-config", **more, TRUSTED_PROXY_HOPS="")
    assert (done.exit_code, levels(done.stdout)) == (0, ["ok"])


def test_development(run: Run, migrated_sqlite: Path) -> None:
    """What `make run` uses is nothing to be warned of."""
    url = f"sqlite:///{migrated_sqlite}"
    done = run("check-config", CONFIG_TYPE="development", DATABASE_URL=url)
    assert (done.exit_code, levels(done.stdout)) == (0, ["notice", "ok"])


@pytest.mark.parametrize(
    ("more", "level", "message"),
    [
        ({"MAIL_URL": ""}, "warning", "MAIL_URL: no mail"),
        ({"MAIL_URL": "console:"}, "warning", "MAIL_URL: console: writes"),
        ({"PASSWORD_MIN_LENGTH": "7"}, "warning", "PASSWORD_MIN_LENGTH: 7 is less than 8"),
        ({"CONFIG_TYPE": "testing", "RATE_LIMITS": "off"}, "warning", "RATE_LIMITS: off"),
        ({"CONFIG_TYPE": "testing"}, "notice", "CONFIG_TYPE: testing is not for the public"),
        ({"CONFIG_TYPE": "testing", "RENDER": "1"}, "warning", "CONFIG_TYPE: testing is not"),
        ({"TRUSTED_PROXY_HOPS": "0"}, "warning", "TRUSTED_PROXY_HOPS: 0 without"),
        ({"TRUSTED_PROXY_HOPS": "3"}, "notice", "TRUSTED_PROXY_HOPS: 3: with fewer"),
        ({"CLIENT_IP_HEADER": "X-Real-IP"}, "warning", "TRUSTED_PROXY_HOPS: 1 beside"),
        (
            {"CLIENT_IP_HEADER": "X-Real-IP", "TRUSTED_PROXY_HOPS": "0"},
            "notice",
            "CLIENT_IP_HEADER: X-Real-IP is trusted",
        ),
        (
            {"CLIENT_IP_HEADER": "CF-Connecting-IP", "TRUSTED_PROXY_HOPS": "0"},
            "notice",
            "CLIENT_IP_HEADER: CF-Connecting-IP is trusted",
        ),
        (
            {"CLIENT_IP_HEADER": "X-Forwarded-For", "TRUSTED_PROXY_HOPS": "0"},
            "warning",
            "CLIENT_IP_HEADER: any client can send the first addresses",
        ),
        ({"ALLOWED_HOSTS": "b.example.net"}, "notice", "ALLOWED_HOSTS: b.example.net too"),
        ({"PUBLIC_URL": "https://localhost:8443"}, "warning", "PUBLIC_URL: links in mail lead to"),
        ({"PUBLIC_URL": "https://10.1.2.3"}, "warning", "PUBLIC_URL: links in mail lead to 10."),
        (
            {"WEB_CONCURRENCY": "4", "DB_POOL_SIZE": "20", "DB_MAX_OVERFLOW": "10"},
            "warning",
            "DB_POOL_SIZE: 4 workers with up to 30 connections take 120, twice that during a",
        ),
        (
            {"WEB_CONCURRENCY": "2", "DB_POOL_SIZE": "50", "DB_MAX_OVERFLOW": "0"},
            "warning",
            "DB_POOL_SIZE: 2 workers with up to 50 connections take 100, twice that during a",
        ),
    ],
)
def test_risks(run: Run, more: dict[str, str], level: str, message: str) -> None:
    done = run("check-config", **more)
    found = [line for line in done.stdout.splitlines() if line.startswith(f"{level}: {message}")]
    assert len(found) == 1, done.stdout
    assert done.exit_code == (1 if "warning" in levels(done.stdout) else 0)
    assert done.exit_code == (level == "warning")
    assert done.stderr == ""


def test_enough_connections(run: Run) -> None:
    """The test server takes 200, three of them for its administrator alone."""
    done = run("check-config", WEB_CONCURRENCY="2", DB_POOL_SIZE="40", DB_MAX_OVERFLOW="8")
    assert done.exit_code == 0, done.stdout


def test_sqlite_in_production(run: Run, migrated_sqlite: Path) -> None:
    done = run("check-config", DATABASE_URL=f"sqlite:///{migrated_sqlite}")
    assert (done.exit_code, levels(done.stdout)) == (1, ["warning"])
    assert "DATABASE_URL: SQLite in production" in done.stdout


def copy_at(revision: str, migrated: Path, path: Path) -> None:
    shutil.copy(migrated, path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
    connection.close()


def test_schema_of_a_later_release(run: Run, migrated_sqlite: Path, tmp_path: Path) -> None:
    """After a rollback, there is nothing to mend."""
    copy_at("next_release", migrated_sqlite, tmp_path / "app.db")
    url = f"sqlite:///{tmp_path}/app.db"
    done = run("check-config", CONFIG_TYPE="testing", DATABASE_URL=url)
    assert (done.exit_code, levels(done.stdout)) == (0, ["notice", "notice", "ok"])
    assert "next_release, which a later release made" in done.stdout
    done = run("init_db", CONFIG_TYPE="testing", DATABASE_URL=url)
    assert (done.exit_code, done.stdout) == (0, "The database is at revision next_release.\n")


@pytest.mark.parametrize("revision", ["sessions", None])
def test_schema(run: Run, migrated_sqlite: Path, tmp_path: Path, revision: str | None) -> None:
    path = tmp_path / "app.db"
    if revision:
        copy_at(revision, migrated_sqlite, path)
    done = run("check-config", CONFIG_TYPE="testing", DATABASE_URL=f"sqlite:///{path}")
    assert (done.exit_code, levels(done.stdout)) == (1, ["notice", "warning"])
    assert "run bin/migrate" in done.stdout
    assert path.exists() == (revision is not None)


@pytest.mark.parametrize(
    ("url", "level", "message"),
    [
        ("postgresql://u:hunter2@db.example.org/d", "warning", "sslmode=prefer may send"),
        ("postgresql://u:hunter2@1.1.1.1/d?sslmode=disable", "warning", "sslmode=disable may send"),
        ("postgresql://u:hunter2@db.example.org/d?sslmode=require", "notice", "does not verify"),
        ("postgresql://u:hunter2@db.example.org/d?sslrootcert=system", None, ""),
        ("postgresql://u:hunter2@dpg-abc-a/d", None, ""),
        ("postgresql://u:hunter2@db.railway.internal/d", None, ""),
        ("postgresql://u:hunter2@10.0.0.7/d", None, ""),
        ("postgresql://u:hunter2@/d?host=/run/pg.d", None, ""),
    ],
)
def test_encryption(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, level: str | None, message: str
) -> None:
    async def no_risk(_settings: object) -> list[object]:
        return []

    monkeypatch.setattr("service.cli.checks.database_risks", no_risk)
    done = run("check-config", DATABASE_URL=url)
    assert levels(done.stdout) == (
        [level] if level == "warning" else [level, "ok"] if level else ["ok"]
    )
    assert message in done.stdout
    assert "hunter2" not in done.output
    assert done.exit_code == (level == "warning")


def test_unreachable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the settings tell is told all the same."""
    monkeypatch.setattr("service.cli.maintenance.CONNECT_WAIT", 0.3)
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d"
    done = run("check-config", DATABASE_URL=url, MAIL_URL="")
    assert done.exit_code == 1
    assert levels(done.stdout) == ["warning"]
    [line] = done.stderr.splitlines()
    assert line.startswith("error: DATABASE_URL: the database did not answer")
    assert "hunter2" not in done.output


def test_wrong_password(run: Run, migrated_postgresql: str) -> None:
    url = migrated_postgresql.replace("postgres:", "postgres:hunter2", 1)
    done = run("check-config", DATABASE_URL=url)
    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: DATABASE_URL: the database refuses us: password authentication")
    assert "hunter2" not in done.output


def test_read_only(run: Run, migrated_postgresql: str) -> None:
    url = f"{migrated_postgresql}?options=-c%20default_transaction_read_only=on"
    done = run("check-config", DATABASE_URL=url)
    assert done.stdout == "warning: DATABASE_URL: the database is read-only\n"


def test_all_that_is_wrong(run: Run) -> None:
    """In one go; what is wrong only because something else is, is not told."""
    wrong = {
        "CONFIG_TYPE": "prod",
        "SECRET_KEY": "hunter2",
        "DATABASE_URL": "mysql://root:hunter2@db/readlog",
        "PORT": "0",
        "MAIL_URL": "smtp://u:hunter2@",
        "RATE_LIMITS": "maybe",
    }
    done = run("check-config", **wrong)
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert "hunter2" not in done.stderr
    found = [line.removeprefix("error: ").partition(":")[0] for line in lines]
    assert sorted(found) == sorted(wrong.keys() - {"SECRET_KEY"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "hunter2"),
        ("SECRET_KEY", ""),
        ("SECRET_KEY_FALLBACKS", "hunter2"),
        ("DATABASE_URL", ""),
        ("PUBLIC_URL", "http://hunter2.example.org"),
        ("PUBLIC_URL", ""),
        ("RATE_LIMITS", "off"),
        ("ALLOWED_HOSTS", "a b"),
        ("WEB_CONCURRENCY", "many"),
        ("SHUTDOWN_DELAY", "5"),
        ("MAIL_FROM", "nobody"),
        ("CLIENT_IP_HEADER", "a b"),
    ],
)
def test_one_wrong_setting(run: Run, name: str, value: str) -> None:
    done = run("check-config", **{name: value})
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: {name}: expected ")
    assert "SECRET" not in name or "hunter2" not in line


def test_address_of_render_is_wrong() -> None:
    environment = production("postgresql://db/d", PUBLIC_URL="", RENDER_EXTERNAL_URL="ftp://x")
    errors = read_settings(environment)
    assert isinstance(errors, list)
    assert [error.variable for error in errors] == ["RENDER_EXTERNAL_URL"]
    assert not is_on_render(environment)


def test_no_secret(run: Run) -> None:
    done = run("check-config", MAIL_URL="smtp://u:hunter2@mail.example.org")
    assert SECRET_KEY not in done.output
    assert "hunter2" not in done.output
    assert done.exit_code == 0


@pytest.fixture
def role(migrated_postgresql: str) -> Iterator[str]:
    """The URL of a role that may read which revision the schema has, and nothing else."""
    name = f"role_{secrets.token_hex(4)}"
    owner = Database(migrated_postgresql)
    owner.run(
        f"CREATE ROLE {name} LOGIN PASSWORD '{name}'", f"GRANT SELECT ON alembic_version TO {name}"
    )
    url = make_url(migrated_postgresql).set(username=name, password=name)
    yield url.render_as_string(hide_password=False)
    owner.run(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_rights(run: Run, role: str, migrated_postgresql: str) -> None:
    """Each thing that is missing is named."""
    done = run("check-config", DATABASE_URL=role)
    assert (done.exit_code, done.stdout) == (1, "")
    told = done.stderr.splitlines()
    assert all(line.startswith("error: DATABASE_URL: this role has no right to") for line in told)
    assert any("SELECT, INSERT, UPDATE, DELETE on " in line and " users" in line for line in told)
    assert any("SELECT, DELETE on legacy_books" in line for line in told)
    name = make_url(role).username
    Database(migrated_postgresql).run(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    done = run("check-config", DATABASE_URL=role)
    assert done.exit_code == 1
    sequences = [line for line in done.stderr.splitlines() if "may not use: GRANT USAGE" in line]
    assert len(sequences) == len(done.stderr.splitlines()) >= 4
    Database(migrated_postgresql).run(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}")
    assert run("check-config", DATABASE_URL=role).exit_code == 0


BEHIND = {
    "sqlite": ("DELETE FROM sqlite_sequence WHERE name = 'users'", 1),
    "postgresql": ("ALTER SEQUENCE users_id_seq RESTART WITH 4", 4),
}


class TestGenerators:
    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        return production(database_url, **SAFE)

    def test_behind(self, run: Run, database_url: str) -> None:
        """What a start would set is told, and not set."""
        database = Database(database_url)
        change, value = BEHIND["sqlite" if database.is_sqlite else "postgresql"]
        database.run(
            "INSERT INTO users (id, email, password_hashed, registered_on)"
            " VALUES (9, 'a@example.com', '!', '2024-01-01 00:00:00')",
            change,
        )
        for _ in range(2):
            done = run("check-config")
            assert done.exit_code == 1
            [line] = done.stderr.splitlines()
            assert line == (
                f"error: DATABASE_URL: the next id of users would be {value}, and there are rows"
                " up to 9"
            )
        assert run("init_db").exit_code == 0
        assert run("check-config").stderr == ""


def test_rights_are_not_tried_under_a_lock(run: Run, migrated_postgresql: str) -> None:
    """Somebody migrates meanwhile: that is to be known, and is no error."""
    with Database(migrated_postgresql).connect() as other:
        other.exec_driver_sql("LOCK TABLE books")
        done = run("check-config")
    assert (done.exit_code, levels(done.stdout)) == (0, ["notice", "ok"])
    assert "its rights were not checked: canceling statement due to lock timeout" in done.stdout


def test_settings_of_the_connection(run: Run, migrated_postgresql: str) -> None:
    """What only the server knows to be wrong is a wrong setting, too."""
    url = f"{migrated_postgresql}?options=-c%20nonsense=1"
    for command in ("check-config", "init_db"):
        done = run(command, DATABASE_URL=url)
        assert done.exit_code == 2
        assert 'unrecognized configuration parameter "nonsense"' in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("closed", ["app.db", "."], ids=["file", "folder"])
def test_sqlite_that_may_not_be_written(migrated_sqlite: Path, tmp_path: Path, closed: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(migrated_sqlite, folder / "app.db")
    variables = {"CONFIG_TYPE": "testing", "DATABASE_URL": f"sqlite:///{folder}/app.db"}
    (folder / closed).chmod(0o555)
    try:
        done = subprocess.run(
            held_to_modes(sys.executable, "-m", "service", "check-config"),
            env=variables | {"PATH": os.environ["PATH"]},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        (folder / closed).chmod(0o755)
    assert done.returncode == 1
    assert "DATABASE_URL: the file is read-only for us" in done.stdout + done.stderr


def test_sqlite_that_cannot_be_written(run: Run, migrated_sqlite: Path, tmp_path: Path) -> None:
    """Whatever the modes say: it is tried."""
    shutil.copy(migrated_sqlite, tmp_path / "app.db")
    (tmp_path / "app.db-journal").mkdir()  # where SQLite would write first
    done = run("check-config", CONFIG_TYPE="testing", DATABASE_URL=f"sqlite:///{tmp_path}/app.db")
    assert done.exit_code == 1
    assert done.stderr == "error: DATABASE_URL: the database failed: disk I/O error\n"
