"""What waiting cannot mend ends at once: one line, with 1 for a refusal and 2 for a setting."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.file_modes import held_to_modes
from tests.migrations.databases import Database
from tests.migrations.test_command import MIGRATE, environment, migrate

# Of the URL, of the environment; the exit status, and the words.
REFUSALS: dict[str, tuple[dict[str, str], int, str]] = {
    "database": ({"database": "gone"}, 1, 'database "gone" does not exist'),
    "role": ({"username": "nobody"}, 1, 'authentication failed for user "nobody"'),
    "password": ({"password": "hunter2"}, 1, "password authentication failed"),
}
SETTINGS: dict[str, tuple[str, dict[str, str], str]] = {
    "options": ("?options=-c%20jit_no%3D1", {}, 'unrecognized configuration parameter "jit_no"'),
    "pgbouncer": ("?pgbouncer=true", {}, "direct URL, or that of a pooler in session mode"),
    "pool_mode": ("?pool_mode=Transaction", {}, "direct URL, or that of a pooler in session mode"),
    "PGSSLCERT": ("", {"PGSSLCERT": "/no/such/file"}, "which a variable such as PGSSLCERT names"),
    "PGSSLMODE": ("", {"PGSSLMODE": "always"}, "`sslmode` parameter must be one of"),
    "PGTARGETSESSIONATTRS": ("", {"PGTARGETSESSIONATTRS": "best"}, "target_session_attrs is"),
}


def check_one_line(done: "subprocess.CompletedProcess[str]", status: int, words: str) -> None:
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert words in line
    assert "hunter2" not in line


@pytest.mark.parametrize("what", REFUSALS)
def test_refusal(on_postgresql: Database, what: str) -> None:
    parts, status, words = REFUSALS[what]
    url = make_url(on_postgresql.url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]
    check_one_line(migrate(environment(None, DATABASE_URL=url)), status, words)


@pytest.mark.parametrize("what", SETTINGS)
def test_setting(on_postgresql: Database, what: str) -> None:
    query, more, words = SETTINGS[what]
    done = migrate(environment(None, DATABASE_URL=on_postgresql.url + query, **more))
    check_one_line(done, 2, words)
    assert on_postgresql.tables() == set()


def test_server_without_tls(on_postgresql: Database) -> None:
    if on_postgresql.value("SHOW ssl") == "on":
        pytest.skip("the server that was given has TLS")
    url = f"{on_postgresql.url}?sslmode=require"
    done = migrate(environment(None, DATABASE_URL=url))
    check_one_line(done, 1, "it has no TLS, which sslmode asks for")


@pytest.mark.parametrize("closed", ["postgresql.key", ""])
def test_key_of_another_user(on_postgresql: Database, tmp_path: Path, closed: str) -> None:
    """HOME may be that of somebody else, under sudo for instance."""
    folder = tmp_path / ".postgresql"
    folder.mkdir()
    _make_certificate(folder)
    (folder / closed).chmod(0)
    try:
        env = environment(on_postgresql, HOME=str(tmp_path))
        done = migrate(env, command=held_to_modes(MIGRATE))
        check_one_line(done, 2, "may not read a file for TLS, as in ~/.postgresql")
    finally:
        (folder / closed).chmod(0o700)


def _make_certificate(folder: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian: apt install openssl)")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=reader"]
    files = ["-keyout", str(folder / "postgresql.key"), "-out", str(folder / "postgresql.crt")]
    subprocess.run([*command, *files], check=True, capture_output=True)


def test_user_without_a_name(on_postgresql: Database) -> None:
    """As containers run programs: by a number that no file knows."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("only root can become a user without a name, with setpriv of util-linux")
    nameless = [setpriv, "--reuid=54321", "--regid=54321", "--clear-groups"]
    nameless += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    url = f"postgresql://{on_postgresql.url.partition('@')[2]}"
    done = migrate(environment(None, DATABASE_URL=url), command=[*nameless, MIGRATE])
    check_one_line(done, 2, "DATABASE_URL: expected a user name")
    assert "54321" in done.stderr


def test_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_text("This is a letter, and not a database.\n" * 40)
    done = migrate(environment(Database(f"sqlite:///{tmp_path / 'app.db'}")))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "file is not a database" in line
