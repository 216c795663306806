"""One running copy of the service, as a platform has several of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.blueprints import ROOT
from tests.live.processes import wait_for

START = str(ROOT / "bin" / "start")
STOP_TIMEOUT = 30.0  # seconds; what platforms give between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Instance:
    """`pid` is gunicorn's master's, and its process group's."""

    process: "subprocess.Popen[bytes]"
    port: int
    log_path: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        """What it has written so far."""
        return self.log_path.read_text(errors="replace")

    def wait(self) -> None:
        """Return when it listens; an AssertionError has its log where it does not."""
        wait_for(self.process, self.port, self.log_path)

    def wait_for_line(self, text: str, times: int = 1) -> None:
        """Return when its log has the text so many times."""
        deadline = time.monotonic() + STOP_TIMEOUT
        while self.log().count(text) < times:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self, *kinds: signal.Signals, group: bool = False) -> int:
        """Send signals, SIGTERM if none are given, a moment apart; return the exit status."""
        send = os.killpg if group else os.kill
        for kind in kinds or (signal.SIGTERM,):
            with suppress(ProcessLookupError):
                send(self.pid, kind)
            time.sleep(0.2)
        return self.process.wait(STOP_TIMEOUT)


@contextmanager
def instance(
    environment: Mapping[str, str],
    log_path: Path,
    command: Sequence[str] = (START,),
    cwd: Path = ROOT,
    keep: Sequence[int] = (),
) -> Iterator[Instance]:
    """Start one with these variables only, PORT among them; it is gone when the block ends.

    `keep` are file descriptors that it inherits.
    """
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep,
        )
    started = Instance(process, int(environment["PORT"]), log_path)
    try:
        yield started
    finally:
        if process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                started.stop()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT)


def venv(prefix: str = sys.prefix) -> dict[str, str]:
    """The variables of an active virtual environment: this one, unless another is given."""
    return {"PATH": f"{prefix}/bin:{os.environ['PATH']}", "VIRTUAL_ENV": prefix}
