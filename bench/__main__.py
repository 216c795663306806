"""Compares the service with its peers on one PostgreSQL: `python -m bench --help`.

Server, database and client compete for the same cores, and others may use them too. So only
ratios within one run mean anything: peers are measured in turn, seconds apart, and compared round
by round. "server ms" is the processor time of gunicorn and its workers for an answer, and
"database ms" that of PostgreSQL; others on the machine distort these least. "client %" is the part
of the machine that the client took. Figures are medians, with least and most in brackets.

In the first table both ratios are above 1 where the service does better; those of starts and
memory are below 1. RSS counts in each worker what all of them share, PSS a part of it; "all" is
the PSS of gunicorn and its workers. About ten minutes with the options as they are.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from subprocess import SubprocessError
from textwrap import fill

from bench import memory, tables, wrk
from bench.data import Database, databases
from bench.imports import Import, measure_import
from bench.machine import facts
from bench.memory import Memory
from bench.options import Options, parsed
from bench.overload import Overload, measure_overload
from bench.processor import cores
from bench.rounds import Measured, measure
from bench.rows import API_304, API_LIST, WELCOME
from bench.serving import BenchError, Running, serving
from bench.starts import Start, measure_start
from bench.storm import Storm, measure_storm
from bench.wrk import WrkError
from tests.servers import ServerError, postgresql


@dataclass
class Results:
    """What was measured, by peer; the service comes first everywhere."""

    rows: dict[str, dict[str, list[Measured]]] = field(default_factory=dict)
    storms: dict[str, list[Storm]] = field(default_factory=dict)
    overloads: dict[str, Overload] = field(default_factory=dict)
    starts: dict[str, list[Start]] = field(default_factory=dict)
    imports: dict[str, list[Import]] = field(default_factory=dict)
    memory: dict[str, dict[str, list[Memory]]] = field(default_factory=dict)  # by state, by peer


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when anything else was answered than should be, or wrk is not installed."""
    options = parsed(arguments, __doc__ or "")
    try:
        wrk.check_installed()
        with postgresql() as server_url, databases(server_url, options.peers) as made:
            results = _measure(options, made)
    except (BenchError, WrkError, ServerError, SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _print(results, options)
    return 0


def _measure(options: Options, made: Mapping[str, Database]) -> Results:
    results = Results()
    if options.wants("imports"):
        results.imports = _imports(options)
    if options.wants("starts"):
        results.starts = _starts(options, made)
        results.memory |= _idle(results.starts)
    if options.serving:
        with serving(options.serving, made, options.asked) as running:
            _rounds(options, running, results)
            if options.wants("memory"):
                results.memory |= _loaded(options, running)
    if options.wants("overload"):
        for peer in options.releases:
            _tell(f"overload of {peer.name}")
            seconds = options.overload_seconds
            results.overloads[peer.name] = measure_overload(peer, made, options.plan, seconds)
    return results


def _imports(options: Options) -> dict[str, list[Import]]:
    found: dict[str, list[Import]] = defaultdict(list)
    for number in range(options.starts):
        _tell(f"import {number + 1} of {options.starts}")
        for peer in options.releases:
            found[peer.name].append(measure_import(peer))
    return {peer: rounds[1:] for peer, rounds in found.items()}


def _starts(options: Options, made: Mapping[str, Database]) -> dict[str, list[Start]]:
    found: dict[str, list[Start]] = defaultdict(list)
    peers = [peer for peer in options.peers if WELCOME in peer.rows]
    for number in range(options.starts):
        _tell(f"start {number + 1} of {options.starts}")
        for peer in peers:
            found[peer.name].append(measure_start(peer, made[peer.name]))
    return {peer: rounds[1:] for peer, rounds in found.items()}


def _rounds(options: Options, running: Sequence[Running], results: Results) -> None:
    rows: dict[str, dict[str, list[Measured]]] = defaultdict(lambda: defaultdict(list))
    storms: dict[str, list[Storm]] = defaultdict(list)
    plan = options.plan
    if not options.rows and not options.wants("storm"):
        return
    for number in range(plan.rounds):
        _tell(f"round {number + 1} of {plan.rounds}")
        for row in options.rows:
            for each in (each for each in running if row in each.peer.rows):
                rows[row.name][each.peer.name].append(measure(each, row, plan))
        if options.wants("storm"):
            for each in (each for each in running if each.peer.is_service):
                storms[each.peer.name].append(measure_storm(each, plan))
    for row_name, by_peer in rows.items():
        results.rows[row_name] = {peer: rounds[1:] for peer, rounds in by_peer.items()}
    results.storms = {peer: rounds[1:] for peer, rounds in storms.items()}


def _idle(started: Mapping[str, Sequence[Start]]) -> dict[str, dict[str, list[Memory]]]:
    found = {peer: [one.idle for one in rounds if one.idle] for peer, rounds in started.items()}
    return {"idle": found} if all(found.values()) else {}


def _loaded(options: Options, running: Sequence[Running]) -> dict[str, dict[str, list[Memory]]]:
    """After the rounds; while people sign in without a pause; and when they have done so."""
    found: dict[str, dict[str, list[Memory]]] = defaultdict(dict)
    for each in running:
        states = {"after the rounds": memory.of(each.server.pid)}
        if each.peer.has_pages:
            states["signing in"] = memory.while_signing_in(each, options.plan)
            states["after signing in"] = memory.of(each.server.pid)
        for state, seen in states.items():
            if seen is not None:
                found[state][each.peer.name] = [seen]
    return dict(found)


def _tell(progress: str) -> None:
    sys.stderr.write(f"{progress}\n")


def _print(results: Results, options: Options) -> None:
    about = facts() | asdict(options.plan) | {"starts": options.starts}
    libraries = ", ".join(f"{name} {found}" for name, found in about["libraries"].items())
    libraries = fill(libraries, 100, break_on_hyphens=False)
    found = "\n\n".join(_tables(results))
    text = f"""{found}

{_noise(results)} Only ratios mean anything. Rounds counted: {options.plan.rounds - 1}, of \
{options.plan.seconds} s and with {options.plan.connections} connections. Starts counted: \
{options.starts - 1}.
{about["system"]}, {about["cores"]} cores, load {about["load"]}, Python {about["python"]}, wrk \
{about["wrk"]},
{libraries}
"""
    sys.stdout.write(text)
    if options.json is not None:
        told = json.dumps({"about": about} | asdict(results), indent=2)
        options.json.write_text(told + "\n")


def _tables(results: Results) -> list[str]:
    found = []
    if results.rows:
        found.append(tables.rates(results.rows, cores()))
    if {API_LIST.name, API_304.name} <= results.rows.keys():
        found.append(tables.unchanged(results.rows[API_LIST.name], results.rows[API_304.name]))
    if results.storms:
        found.append(tables.storms(results.storms))
    if results.overloads:
        found.append(tables.overloads(results.overloads, cores()))
    if results.starts:
        found.append(tables.starts(results.starts))
    if results.imports:
        found.append(tables.imports(results.imports))
    if results.memory:
        found.append(tables.memory(results.memory))
    return found


def _noise(results: Results) -> str:
    """How busy others kept the machine, and what was refused on account of that."""
    runs = [
        one for by_peer in results.rows.values() for rounds in by_peer.values() for one in rounds
    ]
    runs += [
        one for rounds in results.storms.values() for it in rounds for one in (it.quiet, it.stormy)
    ]
    others = [one.others for one in runs if one.others is not None]
    told = f"Others took {median(others):.2f} cores, {max(others):.2f} at most." if others else ""
    refused = max((one.refused for one in runs), default=0.0)
    return f"{told} Up to {100 * refused:.1f} % of a run's answers were 503." if refused else told


if __name__ == "__main__":
    sys.exit(main())
