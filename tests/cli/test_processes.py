"""The commands in processes of their own: every way to reach them, and what ends them early."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.__main__ import command_line
from service.app import create_app
from service.cli.commands import COMMANDS
from service.config import Settings
from tests.cli.backup.databases import execute, fill, some_of_everything

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "readlog": [str(Path(sys.executable).parent / "readlog")],
    "module": [sys.executable, "-m", "service"],
    "quart": [sys.executable, "-m", "quart", "--app", "service.app:create_app"],
}
SLOW_BACKUP = """
import signal, sys, time
from service.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from service.cli.backup import writer
write = writer.write
def write_slowly(stream, data):
    write(stream, data)
    print("written", flush=True)
    time.sleep(20)
writer.write = write_slowly
sys.argv[1:] = ["backup", "dump"]
main()
"""


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"PATH": os.environ["PATH"]}


@pytest.fixture
def filled(settings: Settings) -> None:
    asyncio.run(fill(settings, some_of_everything()))


def start(
    program: Sequence[str], arguments: Sequence[str], environment: dict[str, str], cwd: Path
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*program, *arguments],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(
    arguments: Sequence[str], environment: dict[str, str], cwd: Path, program: str = "readlog"
) -> tuple[int, str, str]:
    process = start(PROGRAMS[program], arguments, environment, cwd)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("program", ["readlog", "quart"])
@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_from_any_folder(environment: dict[str, str], tmp_path: Path, program: str) -> None:
    """Settings and migrations are found, and what lies about is not taken for them."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "alembic").mkdir()
    code, out, err = run(["backup", "-"], environment, tmp_path / "elsewhere", program)
    assert (code, err) == (0, "")
    assert json.loads(out.splitlines()[-1])["end"]["rows"]["books"] == 9


def test_help_without_configuration(tmp_path: Path) -> None:
    """Whoever asks how to use it may not have set it up yet."""
    environment = {"PATH": os.environ["PATH"], "CONFIG_TYPE": "nonsense"}
    code, out, err = run(["--help"], environment, tmp_path)
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"  {command.name} " in out


def test_every_command_everywhere(settings: Settings) -> None:
    group = command_line()
    assert create_app(settings).cli.commands.keys() <= group.commands.keys()
    for command in COMMANDS:
        assert create_app(settings).cli.commands[str(command.name)] is command
        assert command.help
        assert "Exit status: 0 " in (command.epilog or "")


@pytest.mark.parametrize(
    ("program", "arguments"),
    [("module", ["check-config"]), ("quart", ["check-config"]), ("readlog", ["backup", "-"])],
)
def test_wrong_configuration(tmp_path: Path, program: str, arguments: list[str]) -> None:
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": "mysql://root:hunter2@db/d"}
    code, out, err = run(arguments, environment, tmp_path, program)
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert "DATABASE_URL: expected " in line
    assert "hunter2" not in line


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    """Nothing to ask on, and nothing read that would be shown."""
    process = subprocess.run(
        [*PROGRAMS["readlog"], "create-user", "alice@example.com"],
        env=environment,
        cwd=tmp_path,
        input=b"correct horse battery\n" * 2,
        capture_output=True,
        timeout=60,
        start_new_session=True,
    )
    assert (process.returncode, process.stdout) == (2, b"")
    assert process.stderr == b"Error: no terminal to ask on: use --password-stdin\n"


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_full_disk(environment: dict[str, str], settings: Settings, tmp_path: Path) -> None:
    """The old dump stays, and nothing of the new one."""
    asyncio.run(execute(settings, _many_books(3_000)))
    folder = tmp_path / "dumps"
    folder.mkdir()
    (folder / "dump").write_text("old")
    small = 100_000

    process = subprocess.run(
        [*PROGRAMS["readlog"], "backup", "dump"],
        env=environment,
        cwd=folder,
        capture_output=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (small, small)),
    )
    assert (process.returncode, process.stdout) == (1, b"")
    assert process.stderr == b"Error: cannot write dump: File too large\n"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"dump": "old"}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("device", ["/dev/full", "pipe"])
def test_full_output(environment: dict[str, str], tmp_path: Path, device: str) -> None:
    """One line and no more, at the exit either."""
    if device == "pipe":
        read, write = os.pipe()
        os.close(read)
    else:
        write = os.open(device, os.O_WRONLY)
    try:
        process = subprocess.run(
            [*PROGRAMS["readlog"], "backup", "-"],
            env=environment,
            cwd=tmp_path,
            stdout=write,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    finally:
        os.close(write)
    assert process.returncode == 1
    [line] = process.stderr.decode().splitlines()
    assert line.startswith("Error: cannot write: ")


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("database_url", "number"),
    [("sqlite", signal.SIGINT), ("postgresql", signal.SIGTERM)],
    indirect=["database_url"],
)
def test_ended(environment: dict[str, str], tmp_path: Path, number: int) -> None:
    """By ^C, or by a platform that stops the machine: the old dump stays, and nothing else."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    (folder / "dump").write_text("old")
    process = start([sys.executable, "-c"], [SLOW_BACKUP], environment, folder)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        assert len(list(folder.iterdir())) == 2
        process.send_signal(number)
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 1
    assert err.strip() == b"Aborted!"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"dump": "old"}


def _many_books(rows: int) -> str:
    return (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
        " INSERT INTO books (title, author, user_id, created_at, updated_at)"
        " SELECT 'The title of book ' || i, 'An author', 3, '2024-02-29', '2024-02-29' FROM n"
    )
