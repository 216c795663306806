"""The requirement files and pyproject.toml, parsed."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.requirements.environments import Environment

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "readlog"
# The extra of pyproject.toml that each file installs; "" is none.
FILES = {
    "requirements.txt": "",
    "requirements-telemetry.txt": "telemetry",
    "requirements-dev.txt": "dev",
}


@dataclass(frozen=True)
class Pin:
    """One entry of a requirement file."""

    name: str  # canonical
    version: Version
    marker: Marker | None
    text: str  # as it stands in the file, hashes included

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    def applies(self, environment: Environment) -> bool:
        """Tell whether pip installs this entry there."""
        return self.marker is None or self.marker.evaluate(environment.markers())


def read_pins(file: str) -> Sequence[Pin]:
    """Parse a requirement file, in which an entry's further lines are indented."""
    text = (ROOT / file).read_text("utf-8")
    return [_parse(entry) for entry in re.findall(r"^\S.*\n(?:\s.*\n)*", text, re.MULTILINE)]


def _parse(text: str) -> Pin:
    requirement = Requirement(text.splitlines()[0].removesuffix("\\"))
    [specifier] = requirement.specifier
    assert specifier.operator == "==", text
    name = canonicalize_name(requirement.name)
    return Pin(name, Version(specifier.version), requirement.marker, text)


@cache
def project_requirements() -> Sequence[Requirement]:
    """Return what pyproject.toml asks for, each extra's with the marker that a wheel would have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = [Requirement(each) for each in project["dependencies"]]
    for extra, requirements in project["optional-dependencies"].items():
        for each in map(Requirement, requirements):
            assert each.marker is None, f"{each}: markers in extras are not handled here"
            each.marker = Marker(f"extra == '{extra}'")
            found.append(each)
    return found
