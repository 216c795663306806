"""The folder in which gunicorn's workers keep their metrics, so that each can tell the sum of all.

Its files are prometheus_client's. The master makes it and takes it away.
"""

import atexit
import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client looks at it when it is imported


@cache
def make_folder(parent: str | None) -> Path:
    """Make it and tell prometheus_client of it, once, however often gunicorn reads its settings.

    A new one: the workers of another run are not to be counted.
    """
    folder = Path(mkdtemp(prefix="readlog-metrics-", dir=parent))
    os.environ[VARIABLE] = str(folder)
    atexit.register(_remove, folder, os.getpid())
    return folder


def forget(pid: int) -> None:
    """Take away what a process that ended said of its present state; what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)


def _remove(folder: Path, master: int) -> None:
    if os.getpid() == master:  # workers leave by the same door
        shutil.rmtree(folder, ignore_errors=True)
