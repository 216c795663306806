"""More requests arrive than can be answered: twice the measured capacity, at a fixed rate.

The service has one worker on a core of its own, where the machine has two; PostgreSQL and the
clients have the other cores. Half the capacity arrives before and after, to see when the service
is itself again.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from statistics import quantiles

from bench import requests, wrk
from bench.arrivals import NO_ANSWER, PATIENCE, PROBE, Job, Outcome, Phase
from bench.data import Database
from bench.peers import Peer
from bench.processor import metered, tree
from bench.rounds import OVERLOADED, Plan, checked
from bench.rows import LIST
from bench.serving import BenchError, Running, serving
from tests.servers import ROOT

WARM_UP, CAPACITY = 1, 4  # seconds that wrk asks, uncounted and counted
TIMES = 2  # the capacity
BEFORE, AFTER = 3.0, 10.0  # seconds
CALM = 0.5  # of the capacity, before and after
SOON = 0.5  # seconds: an answer that takes no longer is what people are used to
WINDOW = 0.5  # seconds of arrivals that are judged together
MOSTLY = 0.95  # of a window's requests
PROBED = "/livez"


@dataclass(frozen=True)
class Overload:
    """What became of the requests that arrived too fast; rates a second, times in milliseconds."""

    capacity: float  # good answers a second to wrk, just before
    good: float  # good answers a second that came during the overload, as a part of the capacity
    good_p99: float
    refused: float  # shares of the requests that arrived during the overload
    refused_p99: float
    unanswered: float
    recovery: float  # seconds after the overload; infinite where it took longer than was waited
    probe_worst: float
    probe_failures: int
    log_lines: int
    late_p99: float  # how much later than planned the client sent
    client: float  # cores that the client took


def measure_overload(
    peer: Peer, databases: Mapping[str, Database], plan: Plan, seconds: float
) -> Overload:
    """Measure once. Raises BenchError where anything but 200 and 503 was answered."""
    with _apart(peer, databases) as running:
        pages = running.requests(LIST)
        wrk.run(running.port, pages, WARM_UP, plan.connections)
        with metered(running.trees) as used:
            seen = wrk.run(running.port, pages, CAPACITY, plan.connections)
        capacity = checked(running, "capacity", LIST.status, seen, used).rate
        lines = running.server.log().count("\n")
        phases = phases_of(capacity, seconds)
        with metered(running.trees) as used:
            outcomes = _arrive(running.port, pages[0], phases)
        lines = running.server.log().count("\n") - lines
    return judged(outcomes, capacity, phases, lines, used.client / used.seconds)


def phases_of(capacity: float, seconds: float) -> list[Phase]:
    """The calm before, the overload, and the calm after."""
    return [
        Phase("before", CALM * capacity, BEFORE),
        Phase("overload", TIMES * capacity, seconds),
        Phase("after", CALM * capacity, AFTER),
    ]


def judged(
    outcomes: Sequence[Outcome],
    capacity: float,
    phases: Sequence[Phase],
    log_lines: int,
    client: float,
) -> Overload:
    """The figures of what became of these requests."""
    before, overload, after = phases
    begin = before.seconds
    end = begin + overload.seconds
    asked = [one for one in outcomes if one.phase == "overload"]
    good = [one for one in asked if one.status == LIST.status]
    refused = [one for one in asked if one.status == OVERLOADED]
    others = {one.status for one in outcomes} - {LIST.status, OVERLOADED, NO_ANSWER}
    if others:
        raise BenchError(f"overload: answers with status {others}")
    # Answers that came after the overload do not count for the rate during it.
    in_time = [one for one in outcomes if one.status == LIST.status and one.phase != PROBE]
    in_time = [one for one in in_time if begin <= one.due + one.took < end]
    probes = [one for one in outcomes if one.phase == PROBE and begin <= one.due < end]
    return Overload(
        capacity=capacity,
        good=len(in_time) / overload.seconds / capacity,
        good_p99=_p99([one.took for one in good]),
        refused=len(refused) / len(asked),
        refused_p99=_p99([one.took for one in refused]),
        unanswered=1 - (len(good) + len(refused)) / len(asked),
        recovery=recovery(
            [one for one in outcomes if one.phase == "after"], end, end + after.seconds
        ),
        probe_worst=1000 * max((one.took for one in probes), default=0.0),
        probe_failures=sum(one.status != 200 for one in probes),
        log_lines=log_lines,
        late_p99=_p99([one.late for one in asked]),
        client=client,
    )


def recovery(outcomes: Sequence[Outcome], begin: float, end: float) -> float:
    """Seconds from `begin` until nearly all requests are answered soon, and stay so.

    Infinite where that is not so at `end`.
    """
    windows = math.ceil((end - begin) / WINDOW)
    normal = 0
    for number in range(windows):
        start = begin + number * WINDOW
        inside = [one for one in outcomes if start <= one.due < start + WINDOW]
        soon = sum(one.status == LIST.status and one.took <= SOON for one in inside)
        if not inside or soon < MOSTLY * len(inside):
            normal = number + 1
    return math.inf if normal == windows else normal * WINDOW


def _p99(seconds: Sequence[float]) -> float:
    return 1000 * quantiles(seconds, n=100)[98] if len(seconds) > 1 else 0.0


def _arrive(port: int, page: bytes, phases: list[Phase]) -> list[Outcome]:
    probe = requests.get(port, PROBED)
    job = Job(port, page.decode("latin-1"), probe.decode("latin-1"), phases)
    done = subprocess.run(
        [sys.executable, "-m", "bench.arrivals"],
        input=json.dumps(asdict(job)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=sum(phase.seconds for phase in phases) + PATIENCE + 60,
        check=True,
    )
    return [Outcome(**outcome) for outcome in json.loads(done.stdout)]


@contextmanager
def _apart(peer: Peer, databases: Mapping[str, Database]) -> Iterator[Running]:
    """The peer with one worker on a core of its own, where there are two cores."""
    with ExitStack() as stack:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        if len(cores) > 1:
            # Children inherit it: first the server, then the clients.
            stack.callback(os.sched_setaffinity, 0, cores)
            os.sched_setaffinity(0, cores[-1:])
        [running] = stack.enter_context(serving([peer], databases, [LIST], workers=1))
        if len(cores) > 1:
            os.sched_setaffinity(0, cores[:-1])
            stack.callback(_move, running.database.server, cores)
            _move(running.database.server, cores[:-1])
        yield running


def _move(server: int | None, cores: Sequence[int]) -> None:
    """Move PostgreSQL to these cores, if it is one that the bench has started."""
    if server is None or server not in tree(os.getpid()):
        return
    for process in tree(server):
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(process, cores)
