"""Writes recorded.json: `make lock` runs it after it has compiled the requirement files."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path

from tests.requirements.environments import Environment, environments
from tests.requirements.metadata import RECORD, Metadata
from tests.requirements.pins import FILES, ROOT, Pin, read_pins

# Nothing is built or run: a wheel is unpacked, and its metadata is read.
UNPACK = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
UNPACK += ["--only-binary", ":all:"]
LARGEST = "requirements-dev.txt"  # the entries of the other files are among its own


def main() -> None:
    """Download every release whose pin has a marker, and record its metadata.

    Raises CalledProcessError where a pin has no wheel for one of the interpreters on Linux.
    """
    marked = {str(pin): pin for file in FILES for pin in read_pins(file) if pin.marker}
    fields = {name: asdict(_download(pin)) for name, pin in sorted(marked.items())}
    RECORD.write_text(json.dumps(fields, indent=2) + "\n", "utf-8")
    for environment in environments():
        if environment.patch == 0 and "linux" in environment.machine:
            _check_wheels(environment)


def _check_wheels(environment: Environment) -> None:
    """Find a wheel for each pin, and install none: only metadata is downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*UNPACK, *_where(environment), "--target", folder, "--dry-run", "-r", LARGEST]
        subprocess.run(command, cwd=ROOT, check=True)


def _where(environment: Environment) -> Sequence[str]:
    return ["--python-version", environment.minor, "--python-platform", environment.machine]


def _download(pin: Pin) -> Metadata:
    """Unpack the wheel for the first environment that pip installs it in."""
    environment = next(each for each in environments() if pin.applies(each))
    with tempfile.TemporaryDirectory() as folder:
        requirement, target = Path(folder, "requirement.txt"), Path(folder, "target")
        requirement.write_text(pin.text.replace(f" ; {pin.marker}", ""), "utf-8")
        command = [*UNPACK, *_where(environment), "--target", f"{target}"]
        subprocess.run([*command, "-r", f"{requirement}"], check=True)
        [found] = distributions(path=[str(target)])
        return Metadata.of(found)


if __name__ == "__main__":
    main()
