"""Follows the project's requirements through a requirement file, as a resolver would."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.requirements.environments import Environment
from tests.requirements.metadata import metadata
from tests.requirements.pins import PROJECT, Pin, project_requirements


@dataclass
class Closure:
    """Everything that the project with one extra needs in one environment."""

    environment: Environment
    pins: Sequence[Pin]  # those that pip installs there
    needed: set[tuple[str, str]] = field(default_factory=set)  # name and extra, "" for none
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, pins: Sequence[Pin], extra: str, environment: Environment) -> "Closure":
        """Follow every requirement to its end."""
        closure = cls(environment, [pin for pin in pins if pin.applies(environment)])
        closure._follow(PROJECT, "")
        closure._follow(PROJECT, extra)
        closure.problems += closure._left_over()
        return closure

    def _follow(self, name: str, extra: str) -> None:
        if (name, extra) in self.needed:
            return
        self.needed.add((name, extra))
        for requirement in self._requirements(name, extra):
            wanted = canonicalize_name(requirement.name)
            if wanted != PROJECT and not self._satisfies(requirement):
                self.problems.append(f"{self.environment}: {name} needs {requirement}")
                continue
            for each in ("", *requirement.extras):
                self._follow(wanted, each)

    def _requirements(self, name: str, extra: str) -> Iterator[Requirement]:
        """Those that hold for this extra; with "", those that hold without any."""
        ours = name == PROJECT
        for each in project_requirements() if ours else metadata(self._pin(name)).requirements:
            if each.marker is None or each.marker.evaluate(self.environment.markers(extra)):
                yield each

    def _pin(self, name: str) -> Pin:
        [pin] = [pin for pin in self.pins if pin.name == name]
        return pin

    def _satisfies(self, requirement: Requirement) -> bool:
        """Exactly one entry has the name, its version is right, and it runs on this Python."""
        name = canonicalize_name(requirement.name)
        found = [pin for pin in self.pins if pin.name == name]
        return (
            len(found) == 1
            and requirement.specifier.contains(found[0].version, prereleases=True)
            and metadata(found[0]).python.contains(self.environment.full_version)
        )

    def _left_over(self) -> Iterator[str]:
        names = {name for name, _ in self.needed}
        for pin in self.pins:
            if pin.name not in names:
                yield f"{self.environment}: nothing needs {pin}"
