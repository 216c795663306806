"""Medians and ratios: what the tables say follows from the rounds."""

import math

import pytest

from bench import tables
from bench.figures import ratios, spread, values
from bench.rounds import Measured


def measured(rate: float, server: float | None = 1.0) -> Measured:
    return Measured(rate, 1.0, 2.0, 100.0, 0.0, server, 0.5, 0.1, 0.2)


def test_spread() -> None:
    """The median, and what it lies between."""
    assert spread([3.0, 1.0, 2.0]) == "2.00 (1.00-3.00)"
    assert spread([1234.4, 1000.0], 0) == "1,117 (1,000-1,234)"
    assert spread([2.5], 1) == "2.5"
    assert spread([]) == ""
    assert spread([math.inf], 1) == "inf"


def test_ratios_round_by_round() -> None:
    """Not the ratio of two medians, which would be 1 here."""
    assert ratios([10.0, 40.0, 20.0], [20.0, 10.0, 40.0]) == [0.5, 4.0, 0.5]


def test_ratios_of_other_rounds() -> None:
    """Rounds that are not the same ones cannot be compared."""
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_ratios_unknown() -> None:
    """Where the system does not tell processor time, there is no ratio of it."""
    assert ratios([], [1.0]) == ratios([1.0], []) == []


def test_values_known_in_part() -> None:
    """A median over some of the rounds would not be that of the others."""
    rounds = [measured(1.0), measured(1.0, server=None)]
    assert values(rounds, lambda one: one.server) == []
    assert values(rounds[:1], lambda one: one.server) == [1.0]


def cells(table: str, line: int) -> list[str]:
    return [cell.strip() for cell in table.splitlines()[line].strip("|").split("|")]


def test_table_of_rates() -> None:
    """Both ratios are above 1 where the service does better: more answers, less work for each."""
    rows = {
        "list": {
            "readlog": [measured(200.0, 1.0), measured(300.0, 2.0)],
            "flask": [measured(100.0, 3.0), measured(100.0, 3.0)],
        }
    }
    table = tables.rates(rows, cores=2)
    names, ours, twins = (cells(table, line) for line in (0, 2, 3))
    assert ours[:3] == ["list", "readlog", "250 (200-300)"]
    assert ours[-2:] == ["", ""]
    assert twins[names.index("rate: readlog / peer")] == "2.50 (2.00-3.00)"
    assert twins[names.index("server ms: peer / readlog")] == "2.25 (1.50-3.00)"
    assert twins[names.index("client %")] == "5 (5-5)"


def test_table_of_unchanged() -> None:
    """A 304 is measured against the same peer's 200, and less than 1 is less work."""
    full = {"readlog": [measured(100.0, 2.0)], "asgi": [measured(200.0, 1.0)]}
    short = {"readlog": [measured(200.0, 1.0)], "asgi": [measured(800.0, 0.25)]}
    table = tables.unchanged(full, short)
    assert cells(table, 2) == ["", "readlog", "0.50", "0.50"]
    assert cells(table, 3) == ["", "asgi", "0.25", "0.25"]


def test_table_is_markdown() -> None:
    """As wide in every line, so that it can be pasted into a document as it is."""
    lines = tables.rates({"list": {"readlog": [measured(1.0)]}}, cores=1).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert set(lines[1]) == set("|- :")
