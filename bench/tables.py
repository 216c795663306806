"""Markdown tables of the figures: medians, with least and most. The service comes first."""

from collections.abc import Mapping, Sequence

from bench.figures import ratios, spread, values
from bench.imports import Import
from bench.memory import Memory
from bench.overload import Overload
from bench.rounds import Measured
from bench.starts import Start
from bench.storm import Storm

ByPeer = Mapping[str, Sequence[Measured]]
RATES = (
    "row|peer|answers a second|p50 ms|p99 ms|server ms|database ms|client %"
    "|rate: readlog / peer|server ms: peer / readlog"
)
UNCHANGED = "304 beside 200|peer|time: 304 / 200|server ms: 304 / 200"
STORM = (
    "storm|peer|list alone a second|in the storm|kept|p99 alone ms|in the storm|times"
    "|sign-ins a second|sign-ins: readlog / peer|forms refused %"
)
OVERLOAD = (
    "overload|peer|capacity a second|good, of it|p99 of good ms|refused %|p99 of refused ms"
    "|unanswered %|itself after s|/livez at worst ms|/livez failed|log lines|sent late, p99 ms"
    "|client %"
)
START = "start|peer|ms to the first 200|processor ms|ms: readlog / peer|processor: readlog / peer"
IMPORT = "import|peer|service ms|quart ms|service / quart"
MEMORY = "memory|peer|RSS MiB|PSS MiB|all MiB|RSS: readlog / peer|PSS: readlog / peer"
_LEFT = 2  # columns of text, before those of numbers


def rates(rows: Mapping[str, ByPeer], cores: int) -> str:
    """Every row of every peer, and the service beside it: both ratios are above 1 where it wins."""
    lines = []
    for row, by_peer in rows.items():
        ours, *_ = by_peer.values()
        for peer, rounds in by_peer.items():
            beside = (
                ratios(_rate(ours), _rate(rounds)),
                ratios(_server(rounds), _server(ours)),
            )
            cells = [row, peer, spread(_rate(rounds), 0), *_times(rounds), *_work(rounds, cores)]
            lines.append([*cells, *_unless(rounds is ours, *beside)])
    return _table(RATES, lines)


def unchanged(full: ByPeer, short: ByPeer) -> str:
    """What each peer's 304 takes of its 200: of the time until the next one, and of the server."""
    lines = []
    for peer, rounds in short.items():
        time = ratios(_rate(full[peer]), _rate(rounds))
        work = ratios(_server(rounds), _server(full[peer]))
        lines.append(["", peer, spread(time), spread(work)])
    return _table(UNCHANGED, lines)


def storms(by_peer: Mapping[str, Sequence[Storm]]) -> str:
    """Sign-ins beside the list of books."""
    ours, *_ = by_peer.values()
    return _table(STORM, [_storm(peer, rounds, ours) for peer, rounds in by_peer.items()])


def _storm(peer: str, rounds: Sequence[Storm], ours: Sequence[Storm]) -> list[str]:
    signed_in, our_own = ([one.sign_ins for one in it] for it in (rounds, ours))
    return [
        "",
        peer,
        spread([one.quiet.rate for one in rounds], 0),
        spread([one.stormy.rate for one in rounds], 0),
        spread([one.kept for one in rounds]),
        spread([one.quiet.p99 for one in rounds], 1),
        spread([one.stormy.p99 for one in rounds], 1),
        spread([one.slower for one in rounds], 1),
        spread(signed_in, 1),
        *_unless(rounds is ours, ratios(our_own, signed_in)),
        spread([100 * one.refused for one in rounds], 0),
    ]


def overloads(by_peer: Mapping[str, Overload], cores: int) -> str:
    """One run each, so without a range."""
    return _table(OVERLOAD, [_overload(peer, it, cores) for peer, it in by_peer.items()])


def _overload(peer: str, it: Overload, cores: int) -> list[str]:
    return [
        "",
        peer,
        f"{it.capacity:.0f}",
        f"{it.good:.2f}",
        f"{it.good_p99:.0f}",
        f"{100 * it.refused:.0f}",
        f"{it.refused_p99:.0f}",
        f"{100 * it.unanswered:.0f}",
        f"{it.recovery:.1f}",
        f"{it.probe_worst:.0f}",
        f"{it.probe_failures}",
        f"{it.log_lines}",
        f"{it.late_p99:.1f}",
        f"{100 * it.client / cores:.0f}",
    ]


def starts(by_peer: Mapping[str, Sequence[Start]]) -> str:
    """From exec to the first answer; ratios below 1 are better."""
    ours, *_ = by_peer.values()
    lines = []
    for peer, rounds in by_peer.items():
        (times, work), (our_times, our_work) = _start(rounds), _start(ours)
        beside = _unless(rounds is ours, ratios(our_times, times), ratios(our_work, work))
        lines.append(["", peer, spread(times, 0), spread(work, 0), *beside])
    return _table(START, lines)


def imports(by_peer: Mapping[str, Sequence[Import]]) -> str:
    """Processor time of importing the service, in a new interpreter."""
    lines = []
    for peer, rounds in by_peer.items():
        service, quart = [one.service for one in rounds], [one.quart for one in rounds]
        cells = [spread(service, 0), spread(quart, 0), spread(ratios(service, quart))]
        lines.append(["", peer, *cells])
    return _table(IMPORT, lines)


def memory(by_state: Mapping[str, Mapping[str, Sequence[Memory]]]) -> str:
    """The largest worker's memory in each state, and that of all of a server's processes."""
    lines = []
    for state, by_peer in by_state.items():
        ours, *_ = by_peer.values()
        for peer, rounds in by_peer.items():
            (rss, pss, total), (our_rss, our_pss, _) = _memory(rounds), _memory(ours)
            beside = _unless(rounds is ours, ratios(our_rss, rss), ratios(our_pss, pss))
            cells = [spread(rss, 1), spread(pss, 1), spread(total, 1)]
            lines.append([state, peer, *cells, *beside])
    return _table(MEMORY, lines)


def _unless(first: bool, *beside: Sequence[float]) -> list[str]:
    """Ratios to the first peer, which has none to itself."""
    return ["" if first else spread(numbers) for numbers in beside]


def _rate(rounds: Sequence[Measured]) -> list[float]:
    return [one.rate for one in rounds]


def _server(rounds: Sequence[Measured]) -> list[float]:
    return values(rounds, lambda one: one.server)


def _times(rounds: Sequence[Measured]) -> list[str]:
    return [spread([one.p50 for one in rounds], 1), spread([one.p99 for one in rounds], 1)]


def _work(rounds: Sequence[Measured], cores: int) -> list[str]:
    database = values(rounds, lambda one: one.database)
    client = [100 * one.client / cores for one in rounds]
    return [spread(_server(rounds)), spread(database), spread(client, 0)]


def _start(rounds: Sequence[Start]) -> tuple[list[float], list[float]]:
    """Milliseconds on the clock, and of the processor."""
    work = values(rounds, lambda one: None if one.processor is None else 1000 * one.processor)
    return [1000 * one.seconds for one in rounds], work


def _memory(rounds: Sequence[Memory]) -> tuple[list[float], list[float], list[float]]:
    return (
        [one.rss for one in rounds],
        [one.pss for one in rounds],
        [one.total for one in rounds],
    )


def _table(head: str, lines: Sequence[Sequence[str]]) -> str:
    names = head.split("|")
    columns = zip(names, *lines, strict=True)
    widths = [max(map(len, column)) for column in columns]
    marks = [
        "-" * width if column < _LEFT else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    return "\n".join(_line(cells, widths) for cells in (names, marks, *lines))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if column < _LEFT else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"
