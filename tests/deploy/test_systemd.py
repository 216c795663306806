"""deploy/readlog.socket and readlog.service: what systemd promises, and what it gets for it."""

import asyncio
import configparser
import shutil
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.deploy.blueprints import ROOT
from tests.deploy.instances import START, Instance, instance
from tests.deploy.load import Client
from tests.waiting import eventually

# What systemd does before it starts a service: the socket is the first descriptor after three.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""
CLIENTS = 8


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the manual says
    parser.read_string((ROOT / "deploy" / name).read_text("utf-8"))
    return parser


def test_units() -> None:
    service = unit("readlog.service")["Service"]
    assert service["ExecStart"] == "/opt/readlog/bin/start"
    assert service["Type"] == "notify"
    assert service["TimeoutStopSec"] == "30"  # SHUTDOWN_DELAY's default
    assert service["RestartPreventExitStatus"] == "2"
    assert unit("readlog.socket")["Socket"]["ListenStream"] == "127.0.0.1:10000"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_them(tmp_path: Path) -> None:
    for name in ("readlog.service", "readlog.socket"):
        text = (ROOT / "deploy" / name).read_text("utf-8")
        text = text.replace("/opt/readlog", str(ROOT)).replace("User=readlog", "User=root")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *tmp_path.iterdir()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert complaints == []


async def ask_until(stop: asyncio.Event, url: str, seen: Counter[str]) -> None:
    async with Client() as client:
        while not stop.is_set():
            try:
                status, _, _ = await client.ask(url, ["GET /livez HTTP/1.1", "Host: x"])
                seen[str(status)] += 1
            except (OSError, EOFError, TimeoutError) as error:
                seen[type(error).__name__] += 1


async def many_more(seen: Counter[str]) -> None:
    """Wait until every client has been answered several times more, on the average."""
    enough = seen["200"] + 5 * CLIENTS

    async def answered() -> bool:
        return seen["200"] >= enough

    await eventually(answered)


async def test_restart_under_load(
    variables: dict[str, str], sqlite_url: str, tmp_path: Path
) -> None:
    """systemd keeps the port: who comes between two runs waits, and nobody is turned away."""
    stop = asyncio.Event()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        port = listener.getsockname()[1]
        told = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        told.bind(str(tmp_path / "notify"))
        told.settimeout(60)
        descriptor = listener.fileno()

        def start(name: str) -> Instance:
            environment = variables | {"DATABASE_URL": sqlite_url, "WEB_CONCURRENCY": "2"}
            environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "PORT": str(port)}
            command = [sys.executable, "-c", ACTIVATE, str(descriptor), START]
            return stack.enter_context(
                instance(environment, tmp_path / name, command, keep=[descriptor])
            )

        first = start("first")
        assert b"READY=1" in await asyncio.to_thread(told.recv, 1000)
        url = f"http://127.0.0.1:{port}"
        seen = Counter[str]()
        clients = [asyncio.create_task(ask_until(stop, url, seen)) for _ in range(CLIENTS)]
        await many_more(seen)
        assert await asyncio.to_thread(first.stop) == 0
        second = start("second")
        assert b"READY=1" in await asyncio.to_thread(told.recv, 1000)
        await many_more(seen)
        stop.set()
        await asyncio.gather(*clients)
        assert await asyncio.to_thread(second.stop) == 0
    assert seen.keys() == {"200"}
