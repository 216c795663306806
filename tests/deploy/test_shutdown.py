"""Stopping under load loses no request, and nothing that clients do keeps the service from it.

What a half-sent form meets is in tests/live/test_shutdown.py.
"""

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from tests.deploy.instances import Instance, instance
from tests.deploy.load import until_refused
from tests.live.sockets import Connection, request
from tests.waiting import eventually

TERM, INT = signal.SIGTERM, signal.SIGINT
CLIENTS = 30
ATTEMPTS = 4
GRACE = 8  # seconds, for 25: the worker's own limit is five less
GOOD_ORDER = "the application has ended in good order"


@pytest.fixture
def command() -> list[str]:
    """gunicorn as bin/start has it, but for the application and the time it is given."""
    options = ["--workers", "2", "--graceful-timeout", str(GRACE)]
    return [sys.executable, "-m", "gunicorn", *options, "tests.deploy.endless:create_app()"]


@pytest.fixture
def environment(variables: dict[str, str], sqlite_url: str) -> dict[str, str]:
    return variables | {"DATABASE_URL": sqlite_url}


@contextmanager
def serving(command: list[str], environment: dict[str, str], log_path: Path) -> Iterator[Instance]:
    with instance(environment, log_path, command) as it:
        it.wait_for_line("Application startup complete.", times=2)
        yield it


@pytest.fixture
def server(command: list[str], environment: dict[str, str], tmp_path: Path) -> Iterator[Instance]:
    with serving(command, environment, tmp_path / "log") as it:
        yield it


async def stop(server: Instance, *kinds: signal.Signals, group: bool = False) -> float:
    """The seconds it takes; the exit status must be 0."""
    started = time.monotonic()
    assert await asyncio.to_thread(server.stop, *kinds, group=group) == 0
    return time.monotonic() - started


async def under_load(seen: Counter[str]) -> None:
    """Wait until every client has been answered several times, on the average."""

    async def answered() -> bool:
        return seen["answered"] > 5 * CLIENTS

    await eventually(answered)


@pytest.mark.parametrize("headers", [[], ["Connection: close"]], ids=["kept", "new"])
async def test_load(
    command: list[str], environment: dict[str, str], tmp_path: Path, headers: list[str]
) -> None:
    """Every request that was sent is answered: on kept connections, and on those that wait.

    Of new connections the kernel may take in a few more between our last look and the closing,
    and many where the machine does something else just then; without that look it would be one of
    each client, every time.
    """
    not_let_in = []
    for number in range(ATTEMPTS):
        with serving(command, environment, tmp_path / f"log{number}") as server:
            seen = Counter[str]()
            asking = [until_refused(server.url, seen, *headers) for _ in range(CLIENTS)]
            clients = [asyncio.create_task(each) for each in asking]
            await under_load(seen)
            assert await stop(server) < GRACE
            await asyncio.gather(*clients)
        assert seen["lost"] == 0
        assert "Traceback" not in server.log()
        assert server.log().count(GOOD_ORDER) == 2
        not_let_in.append(seen["not let in"])
        if not_let_in[-1] < CLIENTS / 4:
            return
    pytest.fail(f"of {CLIENTS} clients connected, and were not let in: {not_let_in}")


async def test_idle_connections(
    command: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    """Those that were used and those that never were; soon, but not before what is on its way."""
    command = [*command[:-1], "--worker-class", "tests.deploy.endless.LingeringWorker", command[-1]]
    with serving(command, environment, tmp_path / "log") as server:
        async with Connection.to(server.url) as used, Connection.to(server.url) as new:
            await used.send(request(server.url, "GET", "/"))
            assert await used.answer() is not None
            stopping = asyncio.create_task(stop(server))
            await asyncio.to_thread(server.wait_for_line, "Shutting down", 2)
            for connection in (used, new):
                await connection.send(request(server.url, "GET", "/"))
                answer = await connection.answer()
                assert answer is not None
                assert answer.headers["connection"] == "close"
            assert await stopping < GRACE
    assert server.log().count(GOOD_ORDER) == 2


async def test_idle_connections_are_closed(server: Instance) -> None:
    async with Connection.to(server.url) as used, Connection.to(server.url) as new:
        await used.send(request(server.url, "GET", "/"))
        assert await used.answer() is not None
        assert await stop(server) < GRACE
        assert await used.rest() == await new.rest() == b""
    assert server.log().count(GOOD_ORDER) == 2


@pytest.mark.parametrize("group", [False, True], ids=["master", "group"])
async def test_twice(server: Instance, group: bool) -> None:
    """A second SIGTERM changes nothing, whether platforms tell the master or every process."""
    async with Connection.to(server.url) as connection:
        await connection.send(request(server.url, "GET", "/slow"))
        await asyncio.to_thread(server.wait_for_line, "asked for /slow")
        assert await stop(server, TERM, TERM, group=group) < GRACE
        answer = await connection.answer()
    assert answer is not None
    assert answer.status == 200
    assert server.log().count(GOOD_ORDER) == 2


async def test_never_ending(server: Instance) -> None:
    """Requests that never end are given up in time for the rest to end in good order."""
    async with AsyncExitStack() as stack:
        for _ in range(4):
            connection = await stack.enter_async_context(Connection.to(server.url))
            await connection.send(request(server.url, "GET", "/never"))
        await asyncio.to_thread(server.wait_for_line, "asked for /never", 4)
        assert 2 < await stop(server) < GRACE
    assert server.log().count(GOOD_ORDER) == 2
    assert "SIGKILL" not in server.log()


@pytest.mark.parametrize("kinds", [[TERM, INT], [INT]], ids=["TERM_INT", "INT"])
async def test_at_once(server: Instance, kinds: list[signal.Signals]) -> None:
    """SIGINT waits for nothing."""
    async with Connection.to(server.url) as connection:
        await connection.send(request(server.url, "GET", "/never"))
        await asyncio.to_thread(server.wait_for_line, "asked for /never")
        assert await stop(server, *kinds) < GRACE
    assert "SIGKILL" not in server.log()


async def test_while_starting(
    command: list[str], variables: dict[str, str], sqlite_url: str, tmp_path: Path
) -> None:
    """Whenever it comes: while modules are imported, and while workers are forked."""
    more = {"DATABASE_URL": sqlite_url}
    whole = [*command[:-1], "service.app:create_app()"]
    for number, moment in enumerate(["", "", *["Booting worker"] * 4]):
        with instance(variables | more, tmp_path / f"log{number}", whole) as it:
            if moment:
                await asyncio.to_thread(it.wait_for_line, moment)
            await asyncio.sleep(random.uniform(0.0, 0.02 if moment else 0.8))
            started = time.monotonic()
            # Before gunicorn.conf.py is read, Python itself ends by the signal.
            assert await asyncio.to_thread(it.stop) in {0, -TERM}
            assert time.monotonic() - started < GRACE
        assert "Traceback" not in it.log()
        assert "SIGKILL" not in it.log()


async def test_while_waiting_for_the_database(variables: dict[str, str], tmp_path: Path) -> None:
    nowhere = {"DATABASE_URL": "postgresql://reader@127.0.0.1:1/books"}
    with instance(variables | nowhere, tmp_path / "log") as it:
        await asyncio.to_thread(it.wait_for_line, "waiting for the database")
        assert await stop(it) < GRACE
    assert "Traceback" not in it.log()
