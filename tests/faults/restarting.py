"""Stops a PostgreSQL of tests.servers at once, as a crash does, and starts it again."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from tests.live.processes import is_alive

TIMEOUT = 20.0  # seconds to stop, and to start


class Server:
    """One server: where its data is and how it was started, learnt while it runs."""

    def __init__(self, data: Path) -> None:
        self._state = data / "postmaster.pid"
        self._process: subprocess.Popen[bytes] | None = None
        running = Path("/proc", str(self._pid()))
        self._command = running.joinpath("cmdline").read_bytes().decode().split("\0")[:-1]
        self._owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            status = running.stat()
            self._owner = {"user": status.st_uid, "group": status.st_gid, "extra_groups": []}
        self._folder = data.parent

    def crash(self) -> None:
        """What `pg_ctl stop -m immediate` does."""
        pid = self._pid()
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + TIMEOUT
        while self._state.exists() and is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._process is not None:
            self._process.wait(TIMEOUT)

    def start(self) -> None:
        """Returns when it takes connections."""
        self._state.unlink(missing_ok=True)
        with self._folder.joinpath("log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._owner,
            )
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            with suppress(OSError):
                if "ready" in self._state.read_text():
                    return
            time.sleep(0.02)
        raise AssertionError("PostgreSQL did not start again")

    def end(self) -> None:
        """Stop what was started here."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(TIMEOUT)
            finally:
                self._process.kill()

    def _pid(self) -> int:
        return int(self._state.read_text().split()[0])


@contextmanager
def restartable(url: str) -> Iterator[Server]:
    """The server of a database, of which nobody else may need anything."""
    server = Server(Path(asyncio.run(_data_directory(url))))
    try:
        yield server
    finally:
        server.end()


async def _data_directory(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SHOW data_directory"))
    finally:
        await connection.close()
