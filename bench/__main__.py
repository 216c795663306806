"""Compares the service with its peers: `python -m bench --help`.

The figures of one machine say little about another, and those of a shared machine little about
themselves: server, database and client compete for the same cores. Only the ratios mean
anything, since the peers are measured in turn, seconds apart, and compared round by round.
Noise distorts "cpu ms" least: the processor time of gunicorn and its workers for each request,
in milliseconds. Both ratios are above 1 where the service does better.

Starts and memory are the other way round: below 1 is better. RSS counts in each worker what all
of them share, PSS a part of it; "all" is the PSS of gunicorn and its workers, what a platform's
limit is about. "cpu ms" of a start is what all of its processes took until each was there. Five
minutes with the options as they are.
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

from bench import memory, starts
from bench.data import database
from bench.load import Seen
from bench.memory import Memory
from bench.peers import LIST, OURS, PEERS, ROUTES, UNCHANGED, WELCOME, Peer
from bench.report import (
    Figures,
    Results,
    facts,
    memory_table,
    starts_table,
    table,
    unchanged_table,
)
from bench.rounds import BenchError, Plan, Running, measure, serving, sign_in_again
from bench.starts import Start
from tests.servers import ServerError, postgresql

Starts = dict[str, list[Start]]  # by peer, ours first
Memories = dict[str, dict[str, list[Memory]]]  # by state, then by peer


def main() -> int:
    """Exit code 1 when anything else was answered than should be, or the answers differ."""
    options = _options()
    plan = Plan(options.rounds, options.seconds, options.connections)
    peers = [OURS, *(PEERS[name] for name in options.peers)]
    try:
        with postgresql() as server_url, database(server_url, peers) as url:
            started = _start(peers, url, options.starts)
            with serving(peers, url) as running:
                results = _measure(running, options.routes, plan)
                memories = _idle(started) | _loaded(running, plan)
    except (BenchError, ServerError, SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _print(results, started, memories, plan, options.json)
    return 0


def _start(peers: Sequence[Peer], url: str, rounds: int) -> Starts:
    peers = [peer for peer in peers if WELCOME in peer.routes]
    seen: Starts = {peer.name: [] for peer in peers}
    for number in range(rounds):
        sys.stderr.write(f"start {number + 1} of {rounds}\n")
        for peer in peers:
            seen[peer.name].append(starts.measure(peer, url))
    return {peer: found[1:] for peer, found in seen.items()}


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


def _idle(started: Starts) -> Memories:
    found = {peer: [one.idle for one in rounds if one.idle] for peer, rounds in started.items()}
    return {"idle": found} if all(found.values()) else {}


def _loaded(running: Sequence[Running], plan: Plan) -> Memories:
    """After the rounds; while people sign in without a pause; and when they have done so."""
    found: Memories = defaultdict(dict)
    for each in running:
        states = {
            "after the rounds": memory.of(each.server.pid),
            "signing in": sign_in_again(each, plan),
            "after signing in": memory.of(each.server.pid),
        }
        for state, seen in states.items():
            if seen is not None:
                found[state][each.peer.name] = [seen]
    return dict(found)


def _print(
    results: Results, started: Starts, memories: Memories, plan: Plan, file: Path | None
) -> None:
    about = facts() | asdict(plan)
    client = max(it.client for by_peer in results.values() for it in by_peer.values())
    libraries = ", ".join(f"{name} {found}" for name, found in about["libraries"].items())
    libraries = fill(libraries, 100, break_on_hyphens=False)
    tables = [table(results), starts_table(started)]
    if {LIST.name, UNCHANGED.name} <= results.keys():
        tables.insert(1, unchanged_table(results))
    if memories:
        tables.append(memory_table(memories))
    found = "\n\n".join(tables)
    text = f"""{found}

Only ratios mean anything. Rounds counted: {plan.rounds - 1}, of {plan.seconds:g} s and with \
{plan.connections} connections. Starts counted: {len(started[OURS.name])}.
The client took up to {client:.2f} of {about["cores"]} cores. {about["system"]}, load \
{about["load"]}, Python {about["python"]},
{libraries}
"""
    sys.stdout.write(text)
    if file is not None:
        data = {"about": about, "results": results, "starts": started, "memory": memories}
        file.write_text(json.dumps(data, indent=2, default=asdict) + "\n")


def _options() -> argparse.Namespace:
    names = [route.name for route in ROUTES]
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="the first warms up and is not counted")
    add("--starts", type=int, default=8, help="of each server; the first is not counted")
    add("--seconds", type=float, default=3.0, help="of one server on one route in one round")
    add("--connections", type=int, default=8, help="of the client")
    add("--routes", nargs="+", default=names, choices=names, metavar="ROUTE", help=", ".join(names))
    default = ["flask", "fastapi", "asgi"]
    add("--peers", nargs="+", default=default, choices=PEERS, help=f"default: {' '.join(default)}")
    add("--json", type=Path, metavar="FILE", help="writes every round there as well")
    options = parser.parse_args()
    few = min(options.rounds, options.starts) < 2 or options.connections < 1
    if few or options.seconds <= 0:
        parser.error("at least two rounds and starts, one connection and some time")
    return options


if __name__ == "__main__":
    sys.exit(main())
