"""The folder in which gunicorn's workers share their metrics, so that each can report their sum.

prometheus_client writes the files. gunicorn's master makes the folder and removes it.
"""

import atexit
import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported


@cache
def make_folder(parent: str | None) -> Path:
    """Make a new folder and set prometheus_client's variable to it; return the folder.

    Later calls return the same folder: gunicorn may read its settings several times. The folder is
    a new one, so that the workers of an earlier run are not counted.
    """
    folder = Path(mkdtemp(prefix="readlog-metrics-", dir=parent))
    os.environ[VARIABLE] = str(folder)
    atexit.register(_remove, folder, os.getpid())
    return folder


def forget(pid: int) -> None:
    """Remove the gauges of a process that has ended; its counters stay."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)


def _remove(folder: Path, master: int) -> None:
    if os.getpid() == master:  # workers inherit the registration with atexit
        shutil.rmtree(folder, ignore_errors=True)
