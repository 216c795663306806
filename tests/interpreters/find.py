"""Finds the interpreters of this machine: by name on PATH, in pyenv's folder, and uv's own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A Python that was built without one of these modules cannot run the suite.
PROBE = """
import ctypes, ensurepip, sqlite3, ssl, sys, venv
assert sys.implementation.name == "cpython", sys.implementation.name
print(*sys.version_info[:3])
"""
PROBE_TIMEOUT = 30  # seconds


class UnusableError(Exception):
    """A program is no CPython that can make a virtual environment; the message says why."""


class MissingError(Exception):
    """No usable interpreter of a version was found; the message says which were refused."""


@dataclass(frozen=True, order=True)
class Interpreter:
    """A CPython that can make a virtual environment."""

    version: tuple[int, ...]  # three numbers
    path: Path

    def __str__(self) -> str:
        return "Python " + ".".join(map(str, self.version))

    @property
    def minor(self) -> str:
        """Its version as in "3.12"."""
        return ".".join(map(str, self.version[:2]))


def find(minor: str, preferred: str = "") -> Interpreter:
    """Return an interpreter of this minor version, as in "3.12".

    Of several, the one whose version is `preferred`, else the newest. Raises MissingError.
    """
    found, refused = [], []
    for path in filter(Path.is_file, _candidates(minor)):
        try:
            found.append(probe(path))
        except UnusableError as error:
            refused.append(str(error))
    right = [it for it in found if it.minor == minor]
    exact = [it for it in right if str(it) == f"Python {preferred}"]
    if not right:
        raise MissingError("; ".join(["not found", *refused]))
    return max(exact or right)


def probe(path: Path) -> Interpreter:
    """Run a program and return what it is. Raises UnusableError.

    A name on PATH proves nothing: pyenv has a shim for each version that it has ever installed,
    and a shim of a version that is not switched on only prints an error.
    """
    try:
        done = subprocess.run(
            [path, "-c", PROBE], capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UnusableError(f"{path}: {error}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "rror" in line or "not found" in line]
        raise UnusableError(f"{path}: {[*lines, 'exit status ' + str(done.returncode)][0]}")
    return Interpreter(tuple(map(int, done.stdout.split())), path)


def _candidates(minor: str) -> Iterator[Path]:
    yield from (Path(folder, f"python{minor}") for folder in os.get_exec_path())
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    yield from root.glob(f"versions/{minor}.*/bin/python")
    yield from _managed_by_uv(minor)


def _managed_by_uv(minor: str) -> Iterator[Path]:
    """Only those of `uv python install`: on PATH, uv gives up at the first shim that fails."""
    command = [sys.executable, "-m", "uv", "python", "find", "--system", "--managed-python"]
    command += ["--no-python-downloads", "--no-project", minor]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        yield Path(done.stdout.strip())
