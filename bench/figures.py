"""Medians over rounds, and ratios between two peers' rounds."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeVar

T = TypeVar("T")


def values(rounds: Sequence[T], figure: Callable[[T], float | None]) -> list[float]:
    """One figure of each round; empty where the system does not tell it in all of them."""
    found = [figure(one) for one in rounds]
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else []


def ratios(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """Round by round, since both sides met the same noise in one round.

    Empty where a side is. Raises ValueError for two sides of different rounds.
    """
    if not these or not those:
        return []
    return [this / that for this, that in zip(these, those, strict=True)]


def spread(numbers: Sequence[float], digits: int = 2) -> str:
    """The median, then least and most: `2.23 (2.10-2.82)`. A number alone has no range."""
    if not numbers:
        return ""
    middle = f"{median(numbers):,.{digits}f}"
    low, high = f"{min(numbers):,.{digits}f}", f"{max(numbers):,.{digits}f}"
    return middle if len(numbers) == 1 else f"{middle} ({low}-{high})"
