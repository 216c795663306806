"""Processor time of importing the service, beside that of importing Quart alone.

In a new interpreter each time, whose own start is not counted.
"""

import os
import subprocess
from dataclasses import dataclass

from bench.peers import Peer

IMPORT = """
import time
begun = time.process_time()
import {module}
print(time.process_time() - begun)
"""


@dataclass(frozen=True)
class Import:
    """Processor time in milliseconds."""

    service: float
    quart: float


def measure_import(peer: Peer) -> Import:
    """Import both, one after the other."""
    return Import(_taken(peer, "service.app"), _taken(peer, "quart"))


def _taken(peer: Peer, module: str) -> float:
    done = subprocess.run(
        [str(peer.python), "-c", IMPORT.format(module=module)],
        cwd=peer.folder,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return 1000 * float(done.stdout)
