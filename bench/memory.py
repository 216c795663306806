"""Memory of a server's processes, as Linux tells it; in MiB."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from bench import wrk
from bench.processor import PROC, settle
from bench.rounds import Plan, check
from bench.serving import Running
from bench.storm import SIGNED_IN

SIGNING_IN = 4  # seconds
INTERVAL = 0.1  # seconds between two looks


@dataclass(frozen=True)
class Memory:
    """RSS counts what processes share in each of them, PSS a part of it: PSS add up to the whole.

    `rss` and `pss` are the largest worker's, `total` is the PSS of gunicorn and all its workers.
    """

    rss: float
    pss: float
    total: float


def of(pid: int) -> Memory | None:
    """Of the gunicorn with this process id; None where the system does not tell."""
    if not (PROC / "self" / "smaps_rollup").exists():
        return None
    workers = [_read(child) for child in children(pid)]
    total = _read(pid)[1] + sum(pss for _, pss in workers)
    return Memory(max(rss for rss, _ in workers), max(pss for _, pss in workers), total)


def children(pid: int) -> list[int]:
    """The processes that it has started and that live."""
    return [int(child) for child in (PROC / f"{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def at_most(pid: int) -> Iterator[list[Memory]]:
    """Yields a list that has, after the block, what there was when the total was largest."""
    seen: list[Memory] = []
    over = Event()

    def look() -> None:
        while not over.wait(INTERVAL):
            if (found := of(pid)) is not None:
                seen[:] = [max([*seen, found], key=lambda memory: memory.total)]

    looking = Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def while_signing_in(running: Running, plan: Plan) -> Memory | None:
    """What there was at most while people signed in over and over, 19 MiB for each at a time."""
    with at_most(running.server.pid) as largest:
        seen = wrk.run(running.port, running.sign_ins(), SIGNING_IN, plan.connections)
    settle(running.server.pid)
    check(running, "signing in", SIGNED_IN, seen)
    return largest[0] if largest else None


def _read(pid: int) -> tuple[float, float]:
    lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: line.split() for line in lines}
    return int(found["Rss"][1]) / 1024, int(found["Pss"][1]) / 1024
