"""What the measurements come to: one line a route and peer, and the facts of the machine."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import median, quantiles
from typing import Any

from bench.load import Seen
from bench.memory import Memory
from bench.peers import LIST, UNCHANGED
from bench.starts import Start

LIBRARIES = (
    "quart",
    "fastapi",
    "pydantic",
    "uvicorn",
    "uvloop",
    "httptools",
    "asyncpg",
    "sqlalchemy",
    "jinja2",
    "msgspec",
    "gunicorn",
    "flask",
    "flask-sqlalchemy",
    "psycopg2-binary",
)
UNCHANGED_HEAD = "a 304 beside a 200|peer|time: 304 / 200|cpu: 304 / 200"
START_HEAD = "start|peer|ms to the first 200|cpu ms|ms: readlog / peer|cpu: readlog / peer"
MEMORY_HEAD = "memory|peer|RSS MiB|PSS MiB|all MiB|RSS: readlog / peer|PSS: readlog / peer"
HEAD = "route|peer|req/s|p50 ms|p99 ms|bytes|cpu ms|req/s: readlog / peer|cpu: peer / readlog"


@dataclass(frozen=True)
class Figures:
    """One peer on one route: requests a second and the server's CPU ms a request, by rounds.

    The other times are milliseconds too. `cpu` is empty where the system does not tell it.
    """

    rates: list[float]
    cpu: list[float]
    p50: float
    p99: float
    body_bytes: int
    client: float  # cores that the client took

    @classmethod
    def of(cls, rounds: Sequence[Seen]) -> "Figures":
        """The medians over these rounds."""
        cuts = [quantiles(seen.times, n=100) for seen in rounds]
        return cls(
            [len(seen.times) / seen.seconds for seen in rounds],
            [seen.server_cpu * 1000 / len(seen.times) for seen in rounds if seen.server_cpu],
            median(cut[49] for cut in cuts),
            median(cut[98] for cut in cuts),
            rounds[-1].body_bytes,
            median(seen.client_cpu / seen.seconds for seen in rounds),
        )


Results = Mapping[str, Mapping[str, Figures]]  # by route, then by peer, ours first


def table(results: Results) -> str:
    """The results, aligned."""
    lines: list[tuple[str, ...]] = [tuple(HEAD.split("|"))]
    for route, by_peer in results.items():
        ours = next(iter(by_peer.values()))
        for peer, figures in by_peer.items():
            name = route if figures is ours else ""
            lines.append(_line(name, peer, figures, ours))
    return _table(lines)


def unchanged_table(results: Results) -> str:
    """What each peer's 304 takes of its 200: of the time until the next one, and of the CPU."""
    lines: list[tuple[str, ...]] = [tuple(UNCHANGED_HEAD.split("|"))]
    for peer, full in results[LIST.name].items():
        short = results[UNCHANGED.name][peer]
        lines.append(("", peer, _ratio(full.rates, short.rates), _ratio(short.cpu, full.cpu)))
    return _table(lines)


def starts_table(starts: Mapping[str, Sequence[Start]]) -> str:
    """Each peer's time to the first answer, and the processor's: median, least and most."""
    lines: list[tuple[str, ...]] = [tuple(START_HEAD.split("|"))]
    our_times, our_cpu = _times(next(iter(starts.values())))
    for peer, rounds in starts.items():
        times, cpu = _times(rounds)
        cells = (peer, _spread(times, 0), _spread(cpu, 0) if cpu else "")
        if len(lines) == 1:
            lines.append(("exec to /", *cells, "", ""))
        else:
            lines.append(("", *cells, _ratio(our_times, times), _ratio(our_cpu, cpu)))
    return _table(lines)


def _times(rounds: Sequence[Start]) -> tuple[list[float], list[float]]:
    """Milliseconds on the clock, and of the processor where the system tells it."""
    cpu = [start.cpu * 1000 for start in rounds if start.cpu is not None]
    return [start.seconds * 1000 for start in rounds], cpu


def memory_table(by_state: Mapping[str, Mapping[str, Sequence[Memory]]]) -> str:
    """The largest worker's memory in each state, and that of all of a server's processes."""
    lines: list[tuple[str, ...]] = [tuple(MEMORY_HEAD.split("|"))]
    for state, by_peer in by_state.items():
        ours = next(iter(by_peer.values()))
        for peer, it in by_peer.items():
            rss, pss = [one.rss for one in it], [one.pss for one in it]
            cells = (peer, _spread(rss), _spread(pss), _spread([one.total for one in it]))
            ratios = (
                _ratio([one.rss for one in ours], rss),
                _ratio([one.pss for one in ours], pss),
            )
            lines.append((state, *cells, "", "") if it is ours else ("", *cells, *ratios))
    return _table(lines)


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths) for line in lines)


def _line(route: str, peer: str, it: Figures, ours: Figures) -> tuple[str, ...]:
    cells: tuple[str, ...] = (
        route,
        peer,
        f"{median(it.rates):.0f}",
        f"{it.p50:.1f}",
        f"{it.p99:.1f}",
    )
    cells += (str(it.body_bytes), f"{median(it.cpu):.2f}" if it.cpu else "")
    if it is ours:
        return (*cells, "", "")
    return (*cells, _ratio(ours.rates, it.rates), _ratio(it.cpu, ours.cpu))


def _ratio(these: Sequence[float], those: Sequence[float]) -> str:
    """Median, least and most of the ratios round by round: both sides met the same noise."""
    ratios = [this / that for this, that in zip(these, those, strict=False)]
    return _spread(ratios, 2) if ratios else ""


def _spread(values: Sequence[float], digits: int = 1) -> str:
    """Median, least and most; a single value alone."""
    low, high = min(values), max(values)
    more = f" ({low:.{digits}f}-{high:.{digits}f})" if len(values) > 1 else ""
    return f"{median(values):.{digits}f}{more}"


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
