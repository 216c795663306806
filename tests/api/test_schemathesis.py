"""Schemathesis against a live server: whatever its description allows, and whatever it does not."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.api.accounts import add_session, add_token
from tests.live.processes import errors
from tests.servers import ROOT, Gunicorn, gunicorn

# Operations after which the token that everything is tried with is no more.
ENDING = ("delete_me", "revoke_current_token", "revoke_token")
EXAMPLES = 10  # of each operation, so that it takes half a minute; more are tried by hand
SECONDS = 240  # for one run, on a machine that is busy


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Gunicorn]:
    with gunicorn({**environment, "RATE_LIMITS": "off"}) as server:
        yield server
        assert errors(server.log()) == []


def run(server: Gunicorn, folder: Path, headers: Mapping[str, str], *options: str) -> None:
    """Every check, good and bad data; fails with what it says where one fails."""
    command = [str(Path(sys.executable).with_name("schemathesis"))]
    command += ["run", f"{server.url}/api/v1/openapi.json", "--checks", "all", "--mode", "all"]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    command += ["--seed", "1", "--max-examples", str(EXAMPLES), "--no-color", *options]
    command += ["--generation-database", "none", "--continue-on-failure"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, timeout=SECONDS, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Failures" not in done.stdout


def by_token(server: Gunicorn) -> dict[str, str]:
    return {"Authorization": f"Bearer {add_token(server.url)}"}


def test_schemathesis(server: Gunicorn, tmp_path: Path) -> None:
    """All operations but those that end the run: each by itself, and one after the other."""
    without = [part for name in ENDING for part in ("--exclude-operation-id", name)]
    run(server, tmp_path, by_token(server), *without)


def test_schemathesis_alone(server: Gunicorn, tmp_path: Path) -> None:
    """Those, each with an account of its own; and what only a session may do."""
    for name in ENDING:
        own = ("--phases", "examples,coverage,fuzzing", "--include-operation-id", name)
        run(server, tmp_path, by_token(server), *own)
    session = {"Cookie": add_session(server.url), "Origin": server.url}
    # Without the many cases of coverage: each wrong password is answered as slowly as any other.
    own = ("--phases", "examples,fuzzing", "--include-operation-id", "change_me")
    run(server, tmp_path, session, *own)
