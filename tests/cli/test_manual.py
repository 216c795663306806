"""docs/operate.md: what it says to type is typed as it stands there, and works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli.commands import COMMANDS
from service.limits import rules as limiting

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs" / "operate.md").read_text()
EXAMPLE = "postgresql://user:password@db.example.org/readlog"


def test_every_command_is_in_it() -> None:
    for command in COMMANDS:
        assert re.search(rf"^.*readlog {command.name}", MANUAL, re.MULTILINE)


def test_every_option_is_in_it_or_obvious() -> None:
    options = {name for command in COMMANDS for it in command.params for name in it.opts}
    assert {name for name in options if name.startswith("--")} <= set(
        re.findall(r"--[a-z-]+", MANUAL)
    )


def test_limits() -> None:
    account, address = limiting.LOGIN_PER_ACCOUNT, limiting.LOGIN_PER_ADDRESS
    assert account.period == address.period == 5 * 60
    assert f"{account.count} in 5 minutes for an account, {address.count} for an addr" in MANUAL
    assert f"{limiting.WRITES_PER_USER.count} a minute for a person" in MANUAL


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_typed_as_it_stands(database_url: str, tmp_path: Path) -> None:
    """From the first line to the last, in one shell; only the example's address is another."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    script = "\n".join(blocks)
    assert EXAMPLE in script
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(EXAMPLE, database_url)],
        cwd=tmp_path,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DATABASE_URL": f"sqlite:///{tmp_path}/old.db",
            "CONFIG_TYPE": "testing",
            "PASSWORD": "correct horse battery",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    counts = "legacy_books 0, users 1, access_tokens 0, books 0, sessions 0."
    assert f"Restored from move.jsonl.gz: {counts}" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("same: ")
