"""The options: single rows, and other releases of the service as peers."""

import subprocess
from pathlib import Path

import pytest

from bench.options import NAMES, parsed
from bench.peers import OURS
from bench.rows import ADDING, LIST, ROWS
from tests.servers import ROOT


def test_everything() -> None:
    """Without options, every row and part, beside the peers of each kind."""
    options = parsed([], "")
    assert options.rows == list(ROWS)
    assert [peer.name for peer in options.peers] == ["readlog", "flask", "fastapi", "asgi"]
    assert all(options.wants(part) for part in ("storm", "overload", "starts", "imports", "memory"))
    assert options.serving == list(options.peers)


def test_only_a_group() -> None:
    """`--only adding` measures three rows, with those peers that have one of them."""
    options = parsed(["--only", "adding"], "")
    assert options.rows == list(ADDING)
    assert [peer.name for peer in options.serving] == ["readlog", "flask", "asgi"]
    assert not options.wants("storm")


def test_only_a_row_and_a_part() -> None:
    options = parsed(["--only", "list", "storm", "--peers"], "")
    assert options.rows == [LIST]
    assert options.wants("storm")
    assert options.serving == [OURS]


def test_only_starts() -> None:
    """What starts its own servers needs none that run."""
    assert parsed(["--only", "starts", "imports", "overload"], "").serving == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "nothing"],
        ["--peers", "django"],
        ["--rounds", "1"],
        ["--starts", "1"],
        ["--seconds", "0"],
        ["--connections", "0"],
        ["--against", "/nowhere"],
        ["--against", str(ROOT), str(ROOT)],
    ],
)
def test_wrong(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(arguments, "")
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def checkout(folder: Path) -> Path:
    """A folder in which a server imports the package that is there."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/start").touch()
    (folder / "service").mkdir()
    (folder / "service/__init__.py").touch()
    return folder


def test_against(tmp_path: Path) -> None:
    """Another checkout is a peer with its own code and its own database."""
    folder = checkout(tmp_path / "older")
    options = parsed(["--against", str(folder)], "")
    older = options.peers[1]
    assert (older.name, older.folder) == ("older", folder)
    assert older.command(1234)[0] == str(folder / "bin/start")
    assert options.releases == [OURS, older]
    assert older.rows == OURS.rows


def test_against_a_commit(tmp_path: Path) -> None:
    """A worktree of a commit goes by the commit's name, until something in it is changed."""
    folder = checkout(tmp_path / "older")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "A release"]):
        subprocess.run([*git, *command], check=True)
    told = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert parsed(["--against", str(folder)], "").peers[1].name == told.stdout[:7]
    (folder / "service/__init__.py").write_text("changed = True\n")
    assert parsed(["--against", str(folder)], "").peers[1].name == "older"


def test_against_code_from_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder whose server would run the code of another one is refused: it would be ours."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/start").touch()
    with pytest.raises(SystemExit):
        parsed(["--against", str(tmp_path)], "")
    assert "would run" in capsys.readouterr().err


def test_names() -> None:
    """Each name means one thing."""
    assert len(set(NAMES)) == len(NAMES)
