"""What a pinned release needs: from the installed distribution, else as recorded by `make lock`.

An entry without a marker is installed on every interpreter, so its own metadata is at hand. An
entry with a marker may be missing here: quart 0.23.1 on Python 3.11, colorama on Linux. The
metadata of those, and of no others, stands in recorded.json.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.requirements.pins import Pin

RECORD = Path(__file__).with_name("recorded.json")


@dataclass(frozen=True)
class Metadata:
    """The two fields that decide whether a release can be used."""

    requires_python: str
    requires: Sequence[str]

    @classmethod
    def of(cls, distribution: Distribution) -> "Metadata":
        """Read them from an unpacked wheel."""
        python = distribution.metadata.json.get("requires_python", "")
        return cls(str(python), sorted(distribution.requires or ()))

    @cached_property
    def python(self) -> SpecifierSet:
        return SpecifierSet(self.requires_python)

    @cached_property
    def requirements(self) -> Sequence[Requirement]:
        return [Requirement(each) for each in self.requires]


@cache
def metadata(pin: Pin) -> Metadata:
    """Return a release's metadata, from recorded.json where the pin has a marker.

    Raises LookupError where another version, or none, is installed.
    """
    if pin.marker is not None:
        return recorded()[str(pin)]
    if found := installed(pin):
        return found
    raise LookupError(f"{pin} is not installed: run make .venv/dev")


def installed(pin: Pin) -> Metadata | None:
    """Return the metadata of exactly this release in the running interpreter's environment."""
    try:
        found = distribution(pin.name)
    except PackageNotFoundError:
        return None
    return Metadata.of(found) if Version(found.version) == pin.version else None


@cache
def recorded() -> Mapping[str, Metadata]:
    """Read recorded.json; its keys look like quart==0.23.1."""
    return {
        pin: Metadata(**fields) for pin, fields in json.loads(RECORD.read_text("utf-8")).items()
    }
