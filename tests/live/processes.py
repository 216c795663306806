"""Servers that are not gunicorn, and what the operating system says about processes."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers import ROOT, Gunicorn

START_TIMEOUT = 30.0  # seconds
STOP_TIMEOUT = 15.0
# Seconds that an impatient server waits for headers, for bodies and for clients that do not read.
PATIENCE = 1


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log_path: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in a group of its own, which is gone when the block ends."""
    basic = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=basic | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT)


def wait_for(process: "subprocess.Popen[bytes]", port: int, log_path: Path) -> None:
    """Return when it takes connections."""
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(log_path.read_text(errors="replace"))


def errors(log: str) -> list[str]:
    """The lines that tell of something unforeseen; a refusal under load is a warning."""
    return [line for line in log.splitlines() if line.startswith(("ERROR", "CRITICAL"))]


def children(pid: int) -> list[int]:
    """The processes that this one started, from /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name before it, in parentheses, may hold anything.
            parent = path.read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid:
                found.append(int(path.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def all_started(server: Gunicorn, workers: int = 2) -> None:
    """Wait for every worker: that the server answers says so of one."""
    async with asyncio.timeout(START_TIMEOUT):
        while server.log().count("Application startup complete.") < workers:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def peak_memory(pid: int) -> int:
    """The most bytes that a process ever had resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not tell")
