"""Which program is taken for an interpreter. Those here are scripts that tell a version."""

import sys
from pathlib import Path

import pytest

from tests.interpreters.find import MissingError, UnusableError, find, probe

SHIM = "echo 'pyenv: python3.12: command not found' >&2; exit 127"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH, and PYENV_ROOT is empty."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setenv("PYENV_ROOT", f"{tmp_path / 'pyenv'}")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", f"{tmp_path / 'uv'}")
    return tmp_path / "bin"


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def of_pyenv(path: Path, version: str) -> Path:
    body = f"echo {version.replace('.', ' ')}"
    return program(path.parent / "pyenv" / "versions" / version / "bin" / "python", body)


def test_by_name(path: Path) -> None:
    it = program(path / "python3.12", "echo 3 12 4")
    assert find("3.12").path == it
    assert str(find("3.12")) == "Python 3.12.4"


def test_real() -> None:
    """The running interpreter is usable, and is of the version that it is."""
    assert probe(Path(sys.executable)).version == sys.version_info[:3]


def test_pyenv_behind_shim(path: Path) -> None:
    """pyenv's folder has what its own name on PATH refuses to run."""
    program(path / "python3.12", SHIM)
    it = of_pyenv(path, "3.12.1")
    assert find("3.12").path == it


def test_newest(path: Path) -> None:
    program(path / "python3.13", "echo 3 13 2")
    of_pyenv(path, "3.13.9")
    of_pyenv(path, "3.13.11")
    assert str(find("3.13")) == "Python 3.13.11"


def test_preferred(path: Path) -> None:
    """The release that render.yaml asks for counts more than a newer one."""
    of_pyenv(path, "3.13.5")
    of_pyenv(path, "3.13.11")
    assert str(find("3.13", "3.13.5")) == "Python 3.13.5"
    assert str(find("3.13", "3.13.7")) == "Python 3.13.11"


def test_other_version(path: Path) -> None:
    """A name is no proof: a link to another interpreter is left alone."""
    program(path / "python3.12", "echo 3 11 2")
    with pytest.raises(MissingError, match=r"^not found$"):
        find("3.12")


def test_nothing(path: Path) -> None:
    with pytest.raises(MissingError, match=r"^not found$"):
        find("3.14")


def test_refused(path: Path) -> None:
    """The report says why a program of the right name was not used."""
    shim = program(path / "python3.12", SHIM)
    with pytest.raises(MissingError) as error:
        find("3.12")
    assert str(error.value) == f"not found; {shim}: pyenv: python3.12: command not found"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo 'Traceback:' >&2; echo 'ModuleNotFoundError: ssl' >&2; exit 1", "Error: ssl"),
        ("exit 3", "exit status 3"),
    ],
)
def test_unusable(path: Path, body: str, reason: str) -> None:
    with pytest.raises(UnusableError, match=reason):
        probe(program(path / "python3.12", body))


def test_not_a_program(path: Path) -> None:
    script = program(path / "python3.12", "echo 3 12 4")
    script.chmod(0o644)
    with pytest.raises(MissingError, match="Permission denied"):
        find("3.12")
