"""Signing in gives way to everything else; many at once cost bounded memory, and hold nobody up."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from service.security.passwords import MAX_THREADS, MEMORY_KIB
from service.threads import NICER, NICEST
from tests.live.processes import all_started, children, errors, peak_memory
from tests.live.sockets import ask, post
from tests.servers import gunicorn

PARALLEL = 60
EVERY = 0.05  # seconds between two probes
WORKERS = 2
MARGIN = 50 * 2**20  # bytes: connections, pages and whatever Python keeps
NICE = 16  # field of /proc/<pid>/stat behind the command's name
PASSWORD = "a calm river in winter"


on_linux = pytest.mark.skipif(
    not os.path.isdir("/proc/self/task"), reason=f"no /proc on {sys.platform}"
)


def priorities(pid: int) -> dict[int, int]:
    """The nice value of each thread of a process, by the thread's id."""
    found = {}
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        found[int(stat.parent.name)] = int(fields[NICE])
    return found


@on_linux
async def test_hashing_gives_way(environment: dict[str, str]) -> None:
    """In the workers that serve, what hashes has a lower priority than what answers."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with gunicorn(environment, workers=WORKERS) as server:
        account = {"email": "alice@example.com", "password": PASSWORD, "confirm": PASSWORD}
        assert (await post(server.url, "/register", account)).status == 303
        found = [priorities(pid) for pid in children(server.pid)]
        main = [found[number].pop(pid) for number, pid in enumerate(children(server.pid))]
    assert main == [own] * WORKERS
    others = [nice for threads in found for nice in threads.values()]
    assert others.count(min(NICEST, own + NICER)) == 1, "one password was hashed"
    assert set(others) <= {own, min(NICEST, own + NICER)}


@on_linux
@pytest.mark.parametrize("limits", ["on", "off"])
async def test_hashing_load(environment: dict[str, str], limits: str) -> None:
    """Sixty at once: answered or refused in an orderly way, and every probe is answered."""
    with gunicorn(environment | {"RATE_LIMITS": limits}, workers=WORKERS) as server:
        url = server.url
        account = {"email": "alice@example.com", "password": PASSWORD, "confirm": PASSWORD}
        assert (await post(url, "/register", account)).status == 303
        await all_started(server, WORKERS)
        pids = children(server.pid)
        assert len(pids) == WORKERS
        before = {pid: peak_memory(pid) for pid in pids}

        wrong = account | {"password": "a calm river in summer"}
        forms = [account, wrong, account | {"email": "nobody@example.com"}] * (PARALLEL // 3)
        logins = asyncio.gather(*(post(url, "/login", fields) for fields in forms))
        probes = []
        while not logins.done():
            probes.append((await ask(url)).status)
            await asyncio.sleep(EVERY)
        statuses = [answer.status for answer in await logins]
        growth = sum(peak_memory(pid) - before[pid] for pid in pids)
        log = server.log()

    assert set(statuses) <= {200, 303, 401, 429, 503}, statuses
    assert statuses.count(401) > 0
    if limits == "off":
        assert statuses.count(303) > 0
        assert 429 not in statuses
    assert set(probes) == {200}
    assert growth < WORKERS * MAX_THREADS * MEMORY_KIB * 1024 + MARGIN
    assert errors(log) == []
