"""The number of processor cores that this process may use."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def available_cores(root: Path = Path("/")) -> float:
    """Return the number of cores that this process may use. A quota can make it less than 1.

    It is the smallest of these numbers: the cores that the scheduler allows the process, and the
    quotas of its control groups, which limit containers and small plans. `root` is the folder that
    contains `proc` and `sys`.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min([float(cores), *_quotas(root)])


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quotas, in cores, of the process's control groups and of all groups above them."""
    for folder in _groups(root):
        # Control groups of version 2 have both numbers in one file, version 1 has two files.
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            with suppress(OSError, ValueError):
                numbers = " ".join((folder / name).read_text() for name in names).split()
                quota, period = map(int, numbers)  # "max" means no quota, and is a ValueError here
                if quota > 0 and period > 0:  # -1 means no quota
                    yield quota / period


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the process's control groups for processors, from its own one upwards.

    A container may not see the folder of its own group. It sees the group's files in the topmost
    folder.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for _, controllers, path in (group.split(":", 2) for group in groups):
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        own = top / path.lstrip("/")
        yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(top))
