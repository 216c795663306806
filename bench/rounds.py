"""One measurement of one row: wrk asks one peer, while all others idle."""

from dataclasses import dataclass

from bench import wrk
from bench.processor import Used, metered
from bench.rows import Row
from bench.serving import BenchError, Running
from bench.wrk import Seen

OVERLOADED = 503  # on a machine that others use, even a few requests can wait for too long


@dataclass(frozen=True)
class Plan:
    """How much to measure. The first round warms up and is not counted."""

    rounds: int
    seconds: int  # of one row of one peer in one round
    connections: int  # of wrk


@dataclass(frozen=True)
class Measured:
    """What one run of wrk came to; times in milliseconds, processor time for a good answer."""

    rate: float  # good answers a second
    p50: float
    p99: float
    body_bytes: float
    refused: float  # share of the answers that were 503
    server: float | None  # processor time of gunicorn and its workers
    database: float | None  # that of PostgreSQL's processes
    client: float  # cores that wrk took
    others: float | None  # cores that were busy with what is none of ours


def measure(running: Running, row: Row, plan: Plan) -> Measured:
    """Ask for `plan.seconds`. Raises BenchError where an answer was not what the row expects."""
    requests = running.requests(row)
    books = running.database.count("books") if row.adds else 0
    with metered(running.trees) as used:
        seen = wrk.run(running.port, requests, plan.seconds, plan.connections)
    measured = checked(running, row.name, row.status, seen, used)
    if row.adds:
        # wrk leaves at the end of its time, and the last answers find nobody: those of this run,
        # and of the one before.
        said, added = seen.statuses[row.status], running.database.count("books") - books
        if not said <= added <= said + 2 * plan.connections:
            raise BenchError(f"{running.peer.name} {row.name}: {said} answers, {added} books")
    return measured


def checked(running: Running, name: str, good: int, seen: Seen, used: Used) -> Measured:
    """The figures of a run whose answers were to have the status `good`. Raises BenchError."""
    check(running, name, good, seen)
    answers = seen.statuses[good]
    server, database = used.trees["server"], used.trees["database"]
    return Measured(
        rate=answers / seen.seconds,
        p50=seen.p50,
        p99=seen.p99,
        body_bytes=seen.body_bytes,
        refused=seen.statuses.get(OVERLOADED, 0) / seen.answers,
        server=None if server is None else server * 1000 / answers,
        database=None if database is None else database * 1000 / answers,
        client=used.client / used.seconds,
        others=used.others,
    )


def check(running: Running, name: str, good: int, seen: Seen) -> None:
    """Raise BenchError where connections failed, or answers were neither good nor refusals."""
    strange = set(seen.statuses) - {good, OVERLOADED}
    if seen.errors or strange or not seen.statuses.get(good):
        log = running.server.log()[-2000:]
        told = f"answers by status {seen.statuses}, failed connections {seen.errors}"
        raise BenchError(f"{running.peer.name} {name}: {told}\n{log}")
