"""bin/migrate: what operators and platforms run, and go by its exit status."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.migrations import head
from tests.migrations.databases import Database

ROOT = Path(__file__).resolve().parents[2]
MIGRATE = str(ROOT / "bin" / "migrate")


def environment(database: Database | None, **more: str) -> dict[str, str]:
    """As in an active virtual environment, and nothing else."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    url = {"DATABASE_URL": database.url} if database else {}
    return {"PATH": path, "VIRTUAL_ENV": sys.prefix, "CONFIG_TYPE": "testing", **url, **more}


def migrate(
    env: dict[str, str], *args: str, cwd: Path = ROOT, command: Sequence[str] = (MIGRATE,)
) -> "subprocess.CompletedProcess[str]":
    command = [*command, *args]
    return subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def test_to_head_from_any_folder(flask_database: Database, tmp_path: Path) -> None:
    # What lies about there has the names of what is imported.
    for name in ("service", "alembic"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    done = migrate(environment(flask_database, LOG_FORMAT="json"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[-1]["message"] == f"schema: at head: {head()}"
    assert flask_database.revision() == head()
    assert not any(secret in done.stderr for secret in ("@", "Dune", "pbkdf2", "scrypt:"))
    again = migrate(environment(flask_database), cwd=tmp_path)
    assert again.returncode == 0
    assert f"at head already: {head()}" in again.stderr


def test_refused(flask_on_sqlite: Database) -> None:
    flask_on_sqlite.run("ALTER TABLE books ADD COLUMN isbn varchar")
    done = migrate(environment(flask_on_sqlite))
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert "was not changed: it is not the Flask application's: books.isbn is unknown" in line


def test_wrong_configuration() -> None:
    done = migrate(environment(None, DATABASE_URL="mysql://root:hunter2@db/readlog"))
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("DATABASE_URL: expected ")
    assert "hunter2" not in line


def test_wrong_password(on_postgresql: Database) -> None:
    url = on_postgresql.url.replace("postgres:", "postgres:hunter2", 1)
    done = migrate(environment(None, DATABASE_URL=url))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "the database refuses us: password authentication failed" in line
    assert "hunter2" not in line


def test_arguments_are_refused(on_postgresql: Database) -> None:
    """`bin/migrate --help` must not migrate."""
    done = migrate(environment(on_postgresql), "--help")
    assert done.returncode == 2
    assert "takes no arguments" in done.stderr
    assert on_postgresql.tables() == set()


@pytest.mark.parametrize("active", [True, False])
def test_which_python(tmp_path: Path, active: bool) -> None:
    """The active environment's, else the project's own; called by a link, too."""
    for folder in ("project/bin", "project/.venv/bin", "active/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(MIGRATE, tmp_path / "project/bin/migrate")
    for python in ("project/.venv/bin/python", "active/bin/python3"):
        (tmp_path / python).write_text(f'#!/bin/sh\necho "{python} $PYTHONPATH $*"\n')
        (tmp_path / python).chmod(0o755)
    (tmp_path / "link").symlink_to("project/bin/migrate")
    env = {"PATH": f"{tmp_path}/active/bin:/usr/bin:/bin"}
    env |= {"VIRTUAL_ENV": "somewhere"} if active else {}
    done = subprocess.run([tmp_path / "link"], env=env, capture_output=True, text=True, check=True)
    python = "active/bin/python3" if active else "project/.venv/bin/python"
    assert done.stdout == f"{python} {tmp_path}/project -P -m service.migrations\n"
