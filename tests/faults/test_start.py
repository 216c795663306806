"""A database that is not there when the service starts; and how soon /readyz tells."""

import asyncio
from pathlib import Path

from tests.deploy.instances import START, instance, venv
from tests.faults.history import History, Reader, check_rows, send
from tests.faults.proxy import Proxy
from tests.faults.waiting import ready
from tests.migrations.databases import Database
from tests.servers import Gunicorn, free_port, gunicorn
from tests.waiting import eventually

FLIP = 2.0  # seconds until /readyz tells
NOISE = 2.0  # times as long, on a machine that does other things meanwhile


async def test_not_up_yet(
    environment: dict[str, str], proxy: Proxy, database: Database, readers: list[Reader]
) -> None:
    """It lives, says that it is not ready, and serves when the database comes: no restart."""
    proxy.down()
    with gunicorn(environment) as service:
        for path, status in (("/livez", 200), ("/login", 200), ("/readyz", 503), ("/status", 503)):
            answer = await send(service.url, "GET", path)
            assert answer is not None
            assert answer.status == status, path
        proxy.up()
        proxy.swallow()
        assert await ready(service.url, 503)(), "the host answers, the database does not"
        proxy.up()
        await eventually(ready(service.url), within=5)
        history = History(service.url)
        for reader in readers:
            assert (await history.do("add", reader)).status == 303
        assert service.process.poll() is None
        assert "unforeseen error" not in service.log()
    check_rows(history, database)


async def test_not_up_yet_and_to_be_migrated(
    environment: dict[str, str], proxy: Proxy, tmp_path: Path
) -> None:
    """What migrates first waits, knocks every other second, and then serves: no restart."""
    variables = venv() | environment | {"PORT": str(free_port()), "MIGRATE_ON_START": "1"}
    proxy.down()
    with instance(variables | {"HOME": str(tmp_path)}, tmp_path / "log", [START]) as it:
        await asyncio.to_thread(it.wait_for_line, "waiting for the database", 2)
        proxy.up()
        await eventually(ready(it.url), within=5 * NOISE)
        assert it.stop() == 0


async def test_ready_tells_both_ways(service: Gunicorn, proxy: Proxy) -> None:
    for break_it in (proxy.down, proxy.swallow):
        await eventually(ready(service.url), within=FLIP * NOISE)
        break_it()
        await eventually(ready(service.url, 503), within=FLIP * NOISE)
        proxy.up()
        await eventually(ready(service.url), within=FLIP * NOISE)
