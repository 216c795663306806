"""Nothing that a command repeats changes what the terminal does, or the order of its words."""

import gzip
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.people import PASSWORD

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

STRANGE = "x\u202ey\x1b[2J"
TOLD = "x\\u202ey\\x1b[2J"


def test_name_of_a_file(run: Run, tmp_path: Path) -> None:
    """In what is told, and in an error."""
    path = str(tmp_path / STRANGE)
    done = run("backup", path)
    assert (done.exit_code, done.stdout.isprintable()) == (0, False)  # its line ends
    assert TOLD in done.stdout
    assert done.stdout.removesuffix("\n").isprintable()
    missing = run("compare", f"{path} none")
    assert missing.exit_code == 1
    assert TOLD in missing.stderr
    assert missing.stderr.removesuffix("\n").isprintable()


def test_content_of_a_file(run: Run, tmp_path: Path) -> None:
    """A dump may come from anywhere."""
    path = tmp_path / "dump.gz"
    assert run("backup", str(path)).exit_code == 0
    header, rest = gzip.decompress(path.read_bytes()).split(b"\n", 1)
    changed = header.replace(
        b'"release":"', b'"release":"' + STRANGE.encode().replace(b"\x1b", b"\\u001b")
    )
    changed = changed.replace(b'"revision":"', b'"revision":"' + "\u202e".encode())
    del rest
    path.write_bytes(changed + b"\n")
    done = run("compare", str(path))
    assert done.exit_code == 1
    assert done.stderr.removesuffix("\n").isprintable()


@pytest.mark.parametrize(
    "arguments",
    [["--\u202ex"], ["\u202ex"], ["backup", "a", "b\u202ex\x1b"], ["backup", "--\u202ex"]],
)
def test_usage(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert "\\u202ex" in done.stderr
    assert done.stderr.replace("\n", "").isprintable()


def test_address(run: Run) -> None:
    done = run("set-password", STRANGE, "--password-stdin", input=f"{PASSWORD}\n")
    assert done.exit_code == 1
    assert done.stderr.removesuffix("\n").isprintable()
