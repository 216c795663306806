"""Commands for operators, run as operators run them: in a process of their own."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from service import migrations

ROOT = Path(__file__).resolve().parents[2]
QUART = [sys.executable, "-m", "quart", "--app", "service.app:create_app"]
READLOG = [sys.executable, "-m", "service"]


def run(
    command: list[str], environment: dict[str, str], answer: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run it with these variables only; whatever it asks gets the answer."""
    basic = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=basic | environment,
        input=answer,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.db"


@pytest.fixture
def environment(path: Path) -> dict[str, str]:
    return {"CONFIG_TYPE": "testing", "DATABASE_URL": f"sqlite:///{path}"}


@pytest.fixture
def filled(migrated_sqlite: Path, path: Path) -> Path:
    """A database at head with one account."""
    path.write_bytes(migrated_sqlite.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO users (email, password_hashed, registered_on)"
            " VALUES ('alice@example.com', '!', '2026-01-01')"
        )
    connection.close()
    return path


def accounts(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        [(number,)] = connection.execute("SELECT count(*) FROM users")
        return int(number)
    finally:
        connection.close()


@pytest.mark.parametrize("program", [QUART, READLOG], ids=["quart", "readlog"])
def test_init_db_from_nothing(program: list[str], environment: dict[str, str], path: Path) -> None:
    done = run([*program, "init_db"], environment)
    assert done.returncode == 0, done.stderr
    assert f"The database is at revision {migrations.head()}." in done.stdout
    assert accounts(path) == 0


def test_init_db_keeps_data(environment: dict[str, str], filled: Path) -> None:
    """The Flask application's command of that name dropped everything; this one never does."""
    for _ in range(2):
        assert run([*READLOG, "init_db"], environment).returncode == 0
    assert accounts(filled) == 1


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "no\n", "maybe\n"])
def test_init_db_reset_refused(environment: dict[str, str], filled: Path, answer: str) -> None:
    """Anything but a clear yes, or nobody there to answer, deletes nothing."""
    done = run([*READLOG, "init_db", "--reset"], environment, answer)
    assert done.returncode == 1
    assert "Delete all accounts and books in" in done.stdout
    assert accounts(filled) == 1


def test_init_db_reset(environment: dict[str, str], filled: Path) -> None:
    done = run([*READLOG, "init_db", "--reset"], environment, "y\n")
    assert done.returncode == 0, done.stderr
    assert accounts(filled) == 0


def test_init_db_reset_does_not_show_the_password() -> None:
    url = "postgresql://reader:hunter2@127.0.0.1:9/books"
    done = run([*READLOG, "init_db", "--reset"], {"CONFIG_TYPE": "testing", "DATABASE_URL": url})
    assert "books" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_init_db_of_something_else(environment: dict[str, str], path: Path) -> None:
    """A database that is not ours is left alone, and the reason is one line."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, nickname TEXT)")
    connection.close()
    before = path.read_bytes()
    done = run([*READLOG, "init_db"], environment)
    assert done.returncode == 1
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("program", [QUART, READLOG], ids=["quart", "readlog"])
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CONFIG_TYPE", "staging", "CONFIG_TYPE: expected development, production or testing"),
        ("DATABASE_URL", "mysql://root:hunter2@db/books", "DATABASE_URL: expected "),
        ("SECRET_KEY", "hunter2", "SECRET_KEY: expected "),
    ],
)
def test_wrong_configuration(
    program: list[str], environment: dict[str, str], variable: str, value: str, said: str
) -> None:
    """Exit code 2 and one line that names the variable, never a secret or a trace."""
    if variable == "SECRET_KEY":
        environment |= {"CONFIG_TYPE": "production", "PUBLIC_URL": "https://books.example.org"}
    done = run([*program, "init_db"], environment | {variable: value})
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(said)
    assert "hunter2" not in done.stdout + done.stderr


def test_help(environment: dict[str, str]) -> None:
    """It lists every command with what it is for."""
    done = run([*READLOG, "--help"], environment)
    assert done.returncode == 0
    assert "Usage: readlog" in done.stdout or "Usage: python -m service" in done.stdout
    assert "init_db" in done.stdout
    done = run([*READLOG, "init_db", "--help"], environment)
    assert done.returncode == 0
    assert "--reset" in done.stdout


def test_unknown_command(environment: dict[str, str]) -> None:
    done = run([*READLOG, "no_such_command"], environment)
    assert done.returncode == 2
    assert "No such command" in done.stderr
