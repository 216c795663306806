"""The options of `python -m bench`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers import OURS, PEERS, CheckoutError, Peer, checkout
from bench.rounds import Plan
from bench.rows import LIST, ROWS, Row

DEFAULT_PEERS = ("flask", "fastapi", "asgi")
GROUPS = tuple(dict.fromkeys(row.group for row in ROWS))
PARTS = ("storm", "overload", "starts", "imports", "memory")  # of a kind of their own
NAMES = (*GROUPS, *(row.name for row in ROWS), *PARTS)


@dataclass(frozen=True)
class Options:
    """What to measure, and how much."""

    peers: tuple[Peer, ...]  # the service first
    only: frozenset[str]
    plan: Plan
    starts: int  # of each server; the first is not counted
    overload_seconds: float
    json: Path | None

    def wants(self, part: str) -> bool:
        """Whether a part that is no row is to be measured."""
        return part in self.only

    @property
    def rows(self) -> list[Row]:
        """The rows to measure."""
        return [row for row in ROWS if row.name in self.only or row.group in self.only]

    @property
    def asked(self) -> list[Row]:
        """The rows that need people who are signed in: those to measure, and the storm's."""
        return [*self.rows, LIST] if self.wants("storm") else self.rows

    @property
    def releases(self) -> list[Peer]:
        """This service and other releases of it."""
        return [peer for peer in self.peers if peer.is_service]

    @property
    def serving(self) -> list[Peer]:
        """The peers that have to run for the rows, the storm and the memory."""
        if self.wants("memory"):
            return list(self.peers)
        releases = self.releases if self.wants("storm") else []
        return [
            peer
            for peer in self.peers
            if peer in releases or not set(peer.rows).isdisjoint(self.rows)
        ]


def parsed(arguments: Sequence[str] | None, description: str) -> Options:
    """The options of a command line; ends the process where one is wrong."""
    parser = _parser(description)
    found = parser.parse_args(arguments)
    if found.rounds < 2 or found.starts < 2:
        parser.error("the first round and the first start are not counted: two at least")
    if found.seconds < 1 or found.connections < 1 or found.overload_seconds < 1:
        parser.error("one second and one connection at least")
    try:
        against = [checkout(folder) for folder in found.against]
    except CheckoutError as error:
        parser.error(str(error))
    peers = [OURS, *against, *(PEERS[name] for name in found.peers)]
    names = [peer.name for peer in peers]
    if len(set(names)) < len(names):
        parser.error(f"two peers have one name: {', '.join(names)}")
    plan = Plan(found.rounds, found.seconds, found.connections)
    only = frozenset(found.only)
    return Options(tuple(peers), only, plan, found.starts, found.overload_seconds, found.json)


def _parser(description: str) -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m bench", description=description, formatter_class=formatter
    )
    add = parser.add_argument
    everything = [*GROUPS, *PARTS]
    add(
        "--only",
        nargs="+",
        default=everything,
        choices=NAMES,
        metavar="NAME",
        help=f"rows or parts: {', '.join(NAMES)}",
    )
    add(
        "--against",
        nargs="+",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="checkouts of other releases of this service, measured as further peers",
    )
    add(
        "--peers",
        nargs="*",
        default=list(DEFAULT_PEERS),
        choices=PEERS,
        metavar="PEER",
        help=f"of {', '.join(PEERS)}; default: {' '.join(DEFAULT_PEERS)}",
    )
    add("--rounds", type=int, default=6, help="the first warms up and is not counted")
    add("--seconds", type=int, default=2, help="of one peer on one row in one round")
    add("--connections", type=int, default=32, help="of wrk")
    add("--starts", type=int, default=8, help="of each server; the first is not counted")
    add("--overload-seconds", type=float, default=10.0, help="of arrivals at twice the capacity")
    add("--json", type=Path, metavar="FILE", help="writes every round there as well")
    return parser
