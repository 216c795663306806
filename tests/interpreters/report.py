"""Passes the result of `make test-interpreters` to the main run of .ci/run, which comes last.

That run's closing line stands at the end, so the interpreters are named just before it.
"""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "INTERPRETERS_REPORT"  # the name of a file


def write(lines: Sequence[str]) -> None:
    """Print the lines, and add them to the file if there is one."""
    print("\nOther interpreters:", *lines, sep="\n")
    if path := os.environ.get(VARIABLE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


def read() -> Sequence[str]:
    """Return the lines of the file, after one for the interpreter that runs this; else nothing."""
    if not (path := os.environ.get(VARIABLE)):
        return []
    lines = Path(path).read_text("utf-8").splitlines()
    return [f"Python {platform.python_version()}: this run, the whole suite", *lines]
