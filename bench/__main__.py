"""Compares the service with its peers: `python -m bench --help`.

The figures of one machine say little about another, and those of a shared machine little about
themselves: server, database and client compete for the same cores. Only the ratios mean
anything, since the peers are measured in turn, seconds apart, and compared round by round.
Noise distorts "cpu ms" least: the processor time of gunicorn and its workers for each request,
in milliseconds. Both ratios are above 1 where the service does better.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from subprocess import SubprocessError
from textwrap import fill

from bench.data import database
from bench.load import Seen
from bench.peers import OURS, PEERS, ROUTES
from bench.report import Figures, Results, facts, table
from bench.rounds import BenchError, Plan, Running, measure, serving
from tests.servers import ServerError, postgresql


def main() -> int:
    """Exit code 1 when anything else was answered than should be, or the answers differ."""
    options = _options()
    plan = Plan(options.rounds, options.seconds, options.connections)
    peers = [OURS, *(PEERS[name] for name in options.peers)]
    try:
        with (
            postgresql() as server_url,
            database(server_url, peers) as url,
            serving(peers, url) as running,
        ):
            results = _measure(running, options.routes, plan)
    except (BenchError, ServerError, SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _print(results, plan, options.json)
    return 0


def _measure(running: Sequence[Running], routes: Sequence[str], plan: Plan) -> Results:
    seen: dict[str, dict[str, list[Seen]]] = defaultdict(lambda: defaultdict(list))
    for number in range(plan.rounds):
        sys.stderr.write(f"round {number + 1} of {plan.rounds}\n")
        for route in (route for route in ROUTES if route.name in routes):
            for each in running:
                if route in each.peer.routes:
                    seen[route.name][each.peer.name].append(measure(each, route, plan))
    return {
        route: {peer: Figures.of(rounds[1:]) for peer, rounds in by_peer.items()}
        for route, by_peer in seen.items()
    }


def _print(results: Results, plan: Plan, file: Path | None) -> None:
    about = facts() | asdict(plan)
    client = max(it.client for by_peer in results.values() for it in by_peer.values())
    libraries = ", ".join(f"{name} {found}" for name, found in about["libraries"].items())
    libraries = fill(libraries, 100, break_on_hyphens=False)
    text = f"""{table(results)}

Only ratios mean anything. Rounds counted: {plan.rounds - 1}, of {plan.seconds:g} s and with \
{plan.connections} connections.
The client took up to {client:.2f} of {about["cores"]} cores. {about["system"]}, load \
{about["load"]}, Python {about["python"]},
{libraries}
"""
    sys.stdout.write(text)
    if file is not None:
        figures = {r: {p: asdict(it) for p, it in by.items()} for r, by in results.items()}
        file.write_text(json.dumps({"about": about, "results": figures}, indent=2) + "\n")


def _options() -> argparse.Namespace:
    names = [route.name for route in ROUTES]
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="the first warms up and is not counted")
    add("--seconds", type=float, default=3.0, help="of one server on one route in one round")
    add("--connections", type=int, default=8, help="of the client")
    add("--routes", nargs="+", default=names, choices=names, metavar="ROUTE", help=", ".join(names))
    default = ["flask", "fastapi", "asgi"]
    add("--peers", nargs="+", default=default, choices=PEERS, help=f"default: {' '.join(default)}")
    add("--json", type=Path, metavar="FILE", help="writes every round there as well")
    options = parser.parse_args()
    if options.rounds < 2 or options.connections < 1 or options.seconds <= 0:
        parser.error("at least two rounds, one connection and some time")
    return options


if __name__ == "__main__":
    sys.exit(main())
