"""wrk, the closed-loop client: each connection asks again as soon as it has its answer.

wrk corrects its percentiles for requests that a slow answer kept from being sent.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.requests import HOST

SCRIPT = Path(__file__).with_name("wrk.lua")
MISSING = "make bench needs wrk, the HTTP load generator: apt-get install wrk"
TIMEOUT = 30  # seconds that an answer may take
GRACE = TIMEOUT + 10  # seconds after which wrk itself is given up


class WrkError(RuntimeError):
    """wrk is not installed, or did not do its work."""


@dataclass(frozen=True)
class Seen:
    """The answers to one run of wrk; times in milliseconds."""

    seconds: float
    statuses: dict[int, int]  # how many answers had which status
    p50: float
    p99: float
    body_bytes: float  # of a response, headers included
    errors: dict[str, int] = field(default_factory=dict)  # connections that failed, by what failed

    @property
    def answers(self) -> int:
        """How many answers there were."""
        return sum(self.statuses.values())


def check_installed() -> None:
    """Raise WrkError where wrk is not found."""
    if shutil.which("wrk") is None:
        raise WrkError(MISSING)


def run(port: int, requests: Sequence[bytes], seconds: int, connections: int) -> Seen:
    """Send these requests in turn over all connections. Raises WrkError."""
    with started(port, requests, seconds, connections) as process:
        return finished(process, seconds)


@contextmanager
def started(
    port: int, requests: Sequence[bytes], seconds: int, connections: int
) -> Iterator["subprocess.Popen[str]"]:
    """Start wrk; it has ended when the block has."""
    with tempfile.NamedTemporaryFile(prefix="readlog-requests-") as file:
        file.write(b"".join(b"%d\n%b" % (len(request), request) for request in requests))
        file.flush()
        options = [f"-c{connections}", f"-d{seconds}", "-t1", f"--timeout={TIMEOUT}"]
        command = ["wrk", *options, "-s", str(SCRIPT), f"http://{HOST}:{port}", "--", file.name]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]  # keywords by name
            try:
                yield process
            finally:
                process.kill()


def finished(process: "subprocess.Popen[str]", seconds: int) -> Seen:
    """Wait for the end, and read what wrk has printed. Raises WrkError."""
    try:
        output, _ = process.communicate(timeout=seconds + GRACE)
    except subprocess.TimeoutExpired:
        raise WrkError(f"wrk did not end {GRACE} seconds after its time") from None
    if process.returncode:
        raise WrkError(f"wrk ended with {process.returncode}: {output.strip()}")
    return parsed(output)


def parsed(output: str) -> Seen:
    """What wrk.lua has printed on the last line. Raises WrkError where it is not there."""
    try:
        found = json.loads(output.strip().rpartition("\n")[2])
        statuses = {int(status): count for status, count in found["statuses"].items()}
        return Seen(
            found["microseconds"] / 1e6,
            statuses,
            found["p50"] / 1000,
            found["p99"] / 1000,
            found["bytes"] / max(1, sum(statuses.values())),
            {name: count for name, count in found["errors"].items() if count},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrkError(f"wrk printed no figures: {output.strip()}") from error
