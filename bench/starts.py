"""How long a server takes from exec to its first page, and the memory of its workers then.

The service is started as on Render: by `bin/start`, which looks whether the schema is at head. The
twin neither looks nor connects. The page is the welcome page, for which neither asks the database.
"""

import http.client
import time
from dataclasses import dataclass

from bench import memory
from bench.data import Database
from bench.memory import Memory
from bench.peers import Peer
from bench.processor import of_tree
from bench.requests import HOST
from bench.rows import WELCOME
from tests.servers import free_port, served

SETTLE = 0.3  # seconds after which every worker is there
REQUESTS = 20  # of which each worker answers some


@dataclass(frozen=True)
class Start:
    """One start: seconds to the first answer, the processor time until every worker was there,
    and the memory when each had given some answers.
    """

    seconds: float
    processor: float | None
    idle: Memory | None


def measure_start(peer: Peer, database: Database) -> Start:
    """Start a server, and stop it. Raises ServerError where it does not answer 200."""
    port, environment = free_port(), peer.environment(database.url)
    begun = time.perf_counter()
    with served(peer.command(port), environment, port, WELCOME.path, WELCOME.status) as server:
        seconds = time.perf_counter() - begun
        time.sleep(SETTLE)
        taken = of_tree(server.pid)
        for _ in range(REQUESTS):
            _ask(port)
        return Start(seconds, taken, memory.of(server.pid))


def _ask(port: int) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", WELCOME.path)
        connection.getresponse().read()
    finally:
        connection.close()
