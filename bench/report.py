"""What the measurements come to: one line a route and peer, and the facts of the machine."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import median, quantiles
from typing import Any

from bench.load import Seen

LIBRARIES = (
    "quart",
    "uvicorn",
    "uvloop",
    "httptools",
    "asyncpg",
    "sqlalchemy",
    "jinja2",
    "gunicorn",
    "flask",
    "flask-sqlalchemy",
    "psycopg2-binary",
)
COLUMNS = ("route", "peer", "req/s", "p50 ms", "p99 ms", "bytes", "readlog / peer (min-max)")


@dataclass(frozen=True)
class Figures:
    """One peer on one route. `rates` are requests a second, round by round; times are ms."""

    rates: list[float]
    p50: float
    p99: float
    body_bytes: int
    client_cpu: float  # cores that the client took

    @classmethod
    def of(cls, rounds: Sequence[Seen]) -> "Figures":
        """The medians over these rounds."""
        cuts = [quantiles(seen.times, n=100) for seen in rounds]
        return cls(
            [len(seen.times) / seen.seconds for seen in rounds],
            median(cut[49] for cut in cuts),
            median(cut[98] for cut in cuts),
            rounds[-1].body_bytes,
            median(seen.cpu_seconds / seen.seconds for seen in rounds),
        )

    def ratios(self, other: "Figures") -> list[float]:
        """How many times faster than the other, in each round: both met the same noise."""
        return [mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True)]


Results = Mapping[str, Mapping[str, Figures]]  # by route, then by peer, ours first


def table(results: Results) -> str:
    """The results, aligned."""
    lines: list[tuple[str, ...]] = [COLUMNS]
    for route, by_peer in results.items():
        ours = next(iter(by_peer.values()))
        for peer, figures in by_peer.items():
            name = route if figures is ours else ""
            lines.append(_line(name, peer, figures, ours))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths) for line in lines)


def _line(route: str, peer: str, it: Figures, ours: Figures) -> tuple[str, ...]:
    ratios = ours.ratios(it)
    ratio = "" if it is ours else f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
    rate = f"{median(it.rates):.0f}"
    return (route, peer, rate, f"{it.p50:.1f}", f"{it.p99:.1f}", str(it.body_bytes), ratio)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def facts() -> dict[str, Any]:
    """The machine and the versions, without which the figures say nothing."""
    return {
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
