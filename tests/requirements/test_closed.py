"""The requirement files name everything that is needed, for every interpreter that is promised.

They are installed without a resolver, so nothing else would notice an entry that is missing.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from packaging.version import Version

from tests.requirements.closure import Closure
from tests.requirements.environments import MINORS, environments
from tests.requirements.pins import FILES, Pin, read_pins

RUN, TELEMETRY, DEV = FILES
every_file = pytest.mark.parametrize("file", FILES)


def problems(pins: Sequence[Pin], extra: str) -> list[str]:
    return [
        problem
        for environment in environments()
        for problem in Closure.of(pins, extra, environment).problems
    ]


@every_file
def test_closed(file: str) -> None:
    """Each dependency, extras included, is in the file at a version that satisfies it."""
    assert problems(read_pins(file), FILES[file]) == []


@every_file
@pytest.mark.parametrize("minor", MINORS)
def test_missing_entry_seen(file: str, minor: str) -> None:
    """An entry for one interpreter alone is missed there, and nowhere else."""
    first = next(each for each in environments() if each.minor == minor)
    [missing] = [pin for pin in read_pins(file) if pin.name == "quart" and pin.applies(first)]
    pins = [pin for pin in read_pins(file) if pin != missing]
    for environment in environments():
        found = Closure.of(pins, FILES[file], environment).problems
        assert bool(found) == missing.applies(environment)
        assert all(each.startswith(f"{environment}: readlog needs quart") for each in found[:1])


@pytest.mark.parametrize("name", ["greenlet", "h11", "werkzeug"])
def test_entry_of_extra_or_dependency_seen(name: str) -> None:
    """greenlet: needed by sqlalchemy[asyncio]; h11: by uvicorn; werkzeug: by us as well."""
    pins = [pin for pin in read_pins(RUN) if pin.name != name]
    assert any(f"needs {name}" in each for each in problems(pins, FILES[RUN]))


def test_low_version_seen() -> None:
    pins = read_pins(RUN)
    [click] = [pin for pin in pins if pin.name == "click"]
    old = replace(click, version=Version("0.9"))
    found = problems([old if pin == click else pin for pin in pins], FILES[RUN])
    assert any("needs click>=" in each for each in found)


def test_left_over_seen() -> None:
    """A requirement that pyproject.toml no longer has stays in no file."""
    assert any("nothing needs ruff" in each for each in problems(read_pins(DEV), ""))


def test_same_pins() -> None:
    """The service is tested with exactly what it is run with, hashes included."""
    tested = _entries(DEV)
    for file in (RUN, TELEMETRY):
        assert _entries(file).items() <= tested.items()
    assert _entries(RUN).items() <= _entries(TELEMETRY).items()


def _entries(file: str) -> dict[str, list[str]]:
    """What pip reads of each entry: uv's comments tell which package asked for it."""
    entries = [pin.text.splitlines() for pin in read_pins(file)]
    return {head: [line for line in rest if "--hash" in line] for head, *rest in entries}
