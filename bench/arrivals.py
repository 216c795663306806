"""The open-loop client, a process of its own: requests arrive at a fixed rate, answered or not.

`python -m bench.arrivals` reads a Job from standard input and writes the outcomes, both as JSON.
wrk cannot do this: it sends the next request of a connection only after an answer, so a slow
server is asked less. Here every request has its time. What it takes is counted from that time on,
whenever it was really sent; how late that was is told, too, as `late`.

A request takes a connection that is idle, else a new one. Beside the requests, the probe is asked
for ten times a second, each time on a connection of its own.
"""

import asyncio
import json
import re
import resource
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from bench.requests import HOST

TICK = 0.002  # seconds between two looks at whose time has come
PATIENCE = 10.0  # seconds after which nobody waits for an answer any more
PROBE_EVERY = 0.1  # seconds
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
NO_ANSWER = 0  # instead of a status
PROBE = "probe"


@dataclass(frozen=True)
class Phase:
    """So many requests a second for so many seconds."""

    name: str
    rate: float
    seconds: float


@dataclass(frozen=True)
class Job:
    """What to ask for; the requests as text, since JSON has no bytes."""

    port: int
    request: str
    probe: str
    phases: list[Phase]


@dataclass
class Outcome:
    """What became of a request; seconds since the start, and from `due` on."""

    phase: str
    due: float
    late: float = 0.0
    status: int = NO_ANSWER
    took: float = PATIENCE


class Connection(asyncio.Protocol):
    """Sends one request at a time, the first when it is there."""

    def __init__(self, client: "Client", request: bytes, outcome: Outcome) -> None:
        self.client = client
        self.request = request
        self.outcome: Outcome | None = outcome
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request for which the connection was opened."""
        self.transport = cast(asyncio.Transport, transport)
        self.ask(self.outcome)

    def ask(self, outcome: Outcome | None) -> None:
        """Send the request; where there is no answer in time, hang up."""
        self.outcome, self.data = outcome, b""
        if outcome is not None and not self.transport.is_closing():
            try:
                self.transport.write(self.request)
            except RuntimeError:  # uvloop's, where a connection has failed without being closed yet
                self.client.ended(outcome)
                return
            self.client.at_the_end(outcome, self.give_up)

    def give_up(self, outcome: Outcome) -> None:
        """Hang up, unless the answer has come."""
        if self.outcome is outcome:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Note the outcome when the whole answer is there."""
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        length = LENGTH.search(head) if found else None
        if self.outcome is None or length is None or len(body) < int(length[1]):
            return
        outcome, self.outcome = self.outcome, None
        self.client.answered(self, outcome, int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base's form
        """Give the request up that waits, if any."""
        if self.outcome is not None:
            self.client.ended(self.outcome)


class Client:
    """Sends the requests of all phases, and keeps what became of each."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.requests = {True: job.probe.encode("latin-1"), False: job.request.encode("latin-1")}
        self._pending: set[int] = set()  # ids of outcomes that may still change
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> list[Outcome]:
        """Go through the phases, then wait for what is still to be answered."""
        outcomes = schedule(self.job.phases)
        self._begun = self._loop.time()
        waiting = deque(outcomes)
        while waiting or self._pending:
            while waiting and waiting[0].due <= self._now():
                self._send(waiting.popleft())
            await asyncio.sleep(TICK)
        for connection in self._idle:
            connection.transport.close()
        return outcomes

    def answered(self, connection: Connection, outcome: Outcome, status: int) -> None:
        """Note an answer, and keep the connection for the next request."""
        self.ended(outcome)
        outcome.status, outcome.took = status, self._now() - outcome.due
        if outcome.phase == PROBE:
            connection.transport.close()
        else:
            self._idle.append(connection)

    def ended(self, outcome: Outcome) -> None:
        """Wait no longer for an answer."""
        self._pending.discard(id(outcome))

    def at_the_end(self, outcome: Outcome, callback: Callable[[Outcome], None]) -> None:
        """Call when nobody waits for this answer any more."""
        self._loop.call_at(self._begun + outcome.due + PATIENCE, callback, outcome)

    def _now(self) -> float:
        return self._loop.time() - self._begun

    def _send(self, outcome: Outcome) -> None:
        self._pending.add(id(outcome))
        outcome.late = self._now() - outcome.due
        connection = None if outcome.phase == PROBE else self._lend()
        if connection is not None:
            connection.ask(outcome)
            return
        task = self._loop.create_task(self._open(outcome))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _lend(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    async def _open(self, outcome: Outcome) -> None:
        request = self.requests[outcome.phase == PROBE]
        try:
            async with asyncio.timeout_at(self._begun + outcome.due + PATIENCE):
                await self._loop.create_connection(
                    lambda: Connection(self, request, outcome), HOST, self.job.port
                )
        except (OSError, TimeoutError):
            self.ended(outcome)


def schedule(phases: Sequence[Phase]) -> list[Outcome]:
    """What is to be sent, in its order: each phase's requests, evenly spread, and the probes."""
    outcomes, begun = [], 0.0
    for phase in phases:
        count = round(phase.rate * phase.seconds)
        outcomes += [Outcome(phase.name, begun + number / phase.rate) for number in range(count)]
        begun += phase.seconds
    outcomes += [Outcome(PROBE, number * PROBE_EVERY) for number in range(int(begun / PROBE_EVERY))]
    return sorted(outcomes, key=lambda outcome: outcome.due)


async def run(job: Job) -> list[Outcome]:
    """Send all requests of a job."""
    return await Client(job).run()


def main() -> None:
    """Read a Job and write the list of Outcomes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # many wait at the same time
    told = json.load(sys.stdin)
    job = Job(**told | {"phases": [Phase(**phase) for phase in told["phases"]]})
    try:
        from uvloop import run as run_loop
    except ImportError:
        run_loop = asyncio.run  # type: ignore[assignment]  # fewer options, the same use
    json.dump([asdict(outcome) for outcome in run_loop(run(job))], sys.stdout)


if __name__ == "__main__":
    main()
