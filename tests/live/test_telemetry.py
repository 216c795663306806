"""Metrics and traces of several workers: one tells of all, and those that end are done with."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from tests.live.processes import all_started, children, is_alive
from tests.live.sockets import TIMEOUT, Connection, ask, request
from tests.live.test_limits_shared import one_to_each_process
from tests.servers import Gunicorn, gunicorn
from tests.telemetry.collector import collecting
from tests.telemetry.exposition import TOKEN, Values, requests, value, values

BEARER = f"Authorization: Bearer {TOKEN}"


async def scrape(url: str) -> Values:
    answer = await ask(url, "GET", "/metrics", BEARER)
    assert answer.status == 200
    return values(answer.body.decode())


async def until(server: Gunicorn, holds: Callable[[Values], bool]) -> Values:
    """What /metrics tells as soon as this is so; of one and the same worker while it lives."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            async with Connection.to(server.url) as connection:
                await connection.send(request(server.url, "GET", "/metrics", BEARER))
                while answer := await connection.answer():
                    assert answer.status == 200, (answer, server.log())
                    found = values(answer.body.decode())
                    if holds(found):
                        return found
                    await asyncio.sleep(0.1)
                    await connection.send(request(server.url, "GET", "/metrics", BEARER))


def two_workers(found: Values) -> bool:
    return value(found, "readlog_workers") == 2


def metrics_folder(pid: int) -> Path:
    """Where a process keeps its metrics, by what it has mapped into its memory."""
    files = {line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines()}
    [folder] = {Path(it).parent for it in files if "/readlog-metrics-" in it}
    return folder


async def test_metrics_of_all_workers(module_environment: dict[str, str]) -> None:
    """Whoever is asked tells the sum; a worker that is killed takes nothing back that it counted.

    Nothing is left when gunicorn is gone.
    """
    environment = module_environment | {"METRICS_TOKEN": TOKEN, "DB_POOL_SIZE": "3"}
    with gunicorn(environment, app="tests.live.counted:create_app()") as server:
        url = server.url
        async with AsyncExitStack() as stack:
            before = await until(server, two_workers)
            for number, connection in enumerate(await one_to_each_process(stack, url)):
                for _ in range(3 + number):
                    await connection.send(request(url, "GET", "/login"))
                    assert await connection.answer()
        key = ("/login", "GET", "200")
        # A worker counts a request after its answer: another worker can be asked in between.
        await until(server, lambda found: requests(found)[key] == 7)
        for _ in range(10):  # whichever worker answers
            assert requests(await scrape(url))[key] == 7
        assert value(before, "readlog_database_pool_size") == 2 * 3
        folder = metrics_folder(server.pid)

        unfinished = folder / "counter_999999.db"  # as a process that starts has it at first
        unfinished.touch()
        asked = asyncio.ensure_future(scrape(url))
        await asyncio.sleep(0.1)
        assert not asked.done()
        unfinished.unlink()
        assert requests(await asked)[key] == 7

        victim = children(server.pid)[0]
        assert metrics_folder(victim) == folder
        os.kill(victim, signal.SIGKILL)
        after = await until(
            server, lambda found: victim not in children(server.pid) and two_workers(found)
        )
        assert requests(after)[key] == 7
        assert value(after, "readlog_database_pool_size") == 2 * 3
        assert [*folder.glob(f"gauge_*_{victim}.db")] == []

        old = {*children(server.pid)}
        os.kill(server.pid, signal.SIGHUP)  # it reads its settings again, and has new workers
        after = await until(
            server, lambda found: old.isdisjoint(children(server.pid)) and two_workers(found)
        )
        assert requests(after)[key] == 7
        assert metrics_folder(children(server.pid)[0]) == folder
    assert not folder.exists()


async def test_traces_of_all_workers(module_environment: dict[str, str]) -> None:
    """Each sends its own, with what is left when it is told to stop."""
    with collecting() as collector:
        environment = module_environment | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "60000",
        }
        with gunicorn(environment, app="tests.live.counted:create_app()") as server:
            async with AsyncExitStack() as stack:
                for connection in await one_to_each_process(stack, server.url):
                    await connection.send(request(server.url, "GET", "/status"))
                    assert await connection.answer()
            assert collector.bodies == []
    spans = [span for span in collector.requests() if span.name == "GET /status"]
    assert len(spans) == 2
    assert all(collector.statements(of=span) for span in spans)
    assert len({resource["service.instance.id"] for resource in collector.resources}) == 2


async def test_collector_that_is_away(module_environment: dict[str, str]) -> None:
    """People are served, and gunicorn's stop need not kill a worker."""
    environment = module_environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with gunicorn(environment) as server:
        for _ in range(20):
            assert (await ask(server.url)).status == 200
        await all_started(server)
        workers = children(server.pid)
        os.kill(server.pid, signal.SIGTERM)
        server.process.wait(TIMEOUT)
        log = server.log()
    assert not any(map(is_alive, workers))
    assert "SIGKILL" not in log
    assert log.count("Application shutdown complete") == 2
    assert "Traceback" not in log
