"""The client, a process of its own: `python -m bench.load` reads a job and writes what it saw.

Closed loop: each connection asks again as soon as it has its answer, for `seconds`. Connections
are kept where the server keeps them. Only the parsing that counting needs is done, as the client
takes its share of the same cores.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

GRACE = 10.0  # seconds for answers still due at the end
AGENT = "readlog-bench"  # sent when signing in, too: Flask-Login ties the session to it
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(frozen=True)
class Job:
    """What to ask for, and how long."""

    port: int
    path: str
    headers: dict[str, str]
    status: str  # of every answer
    connections: int
    seconds: float
    form: str = ""  # to post, percent-encoded

    def request(self) -> bytes:
        """The request as it goes over the wire."""
        headers = {"Host": f"127.0.0.1:{self.port}", "User-Agent": AGENT, **self.headers}
        if self.form:
            headers["Origin"] = f"http://{headers['Host']}"
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Content-Length"] = str(len(self.form))
        first = f"{'POST' if self.form else 'GET'} {self.path} HTTP/1.1"
        lines = [first, *(f"{name}: {it}" for name, it in headers.items())]
        return "\r\n".join([*lines, "", self.form]).encode("ascii")


@dataclass
class Seen:
    """The answers of one job: milliseconds of each good one, and what the others were."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    bad: Counter[str] = field(default_factory=Counter)
    body_bytes: int = 0
    client_cpu: float = 0.0  # seconds
    server_cpu: float | None = None  # the same, filled in by the one who knows the server


class Connection(asyncio.Protocol):
    """One answer at a time; `usable` until the server says or shows that it closes."""

    def __init__(self) -> None:
        self.usable = True
        self.data = b""
        self.answer: asyncio.Future[tuple[bytes, int]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport to write requests to."""
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> "asyncio.Future[tuple[bytes, int]]":
        """Resolves to the status and the body's length in bytes."""
        self.data = b""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        """Resolves the answer once all of it is here."""
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not (found and _complete(head, body)) or self.answer is None or self.answer.done():
            return
        if CLOSE.search(head):
            self.close()
        self.answer.set_result((head[9:12], len(body)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails the request that still waits, if any."""
        self.usable = False
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(exc or ConnectionError("closed without an answer"))

    def close(self) -> None:
        """Gives the connection up."""
        self.usable = False
        self.transport.close()


def _complete(head: bytes, body: bytes) -> bool:
    if head.startswith(b"304", 9):  # never has one
        return True
    if length := LENGTH.search(head):
        return len(body) >= int(length[1])
    return bool(CHUNKED.search(head)) and body.endswith(b"0\r\n\r\n")


async def _client(job: Job, seen: Seen, deadline: float) -> None:
    loop, request, good = asyncio.get_running_loop(), job.request(), job.status.encode()
    connection: Connection | None = None
    while (started := time.perf_counter()) < deadline:
        # Opening a connection belongs to the time of the request that needs it.
        if connection is None or not connection.usable:
            _, connection = await loop.create_connection(Connection, "127.0.0.1", job.port)
        status, seen.body_bytes = await connection.ask(request)
        if status == good:
            seen.times.append((time.perf_counter() - started) * 1000)
        else:
            seen.bad[status.decode("latin-1")] += 1
    if connection is not None:
        connection.close()


async def run(job: Job) -> Seen:
    """Loads the server until the job's time is over and all answers due are in.

    A connection that fails is not opened again: it counts as bad, which fails the bench.
    """
    seen, begun, cpu = Seen(), time.perf_counter(), time.process_time()
    clients = [
        asyncio.create_task(_client(job, seen, begun + job.seconds)) for _ in range(job.connections)
    ]
    done, late = await asyncio.wait(clients, timeout=job.seconds + GRACE)
    seen.bad.update(str(task.exception()) for task in done if task.exception() is not None)
    seen.bad.update("no answer in time" for _ in late)
    seen.seconds, seen.client_cpu = time.perf_counter() - begun, time.process_time() - cpu
    return seen


def main() -> None:
    """Reads a Job from standard input and writes the Seen, both as JSON."""
    job = Job(**json.load(sys.stdin))
    try:
        from uvloop import run as run_loop
    except ImportError:
        run_loop = asyncio.run  # type: ignore[assignment]  # fewer options, the same use
    json.dump(vars(run_loop(run(job))), sys.stdout)


if __name__ == "__main__":
    main()
