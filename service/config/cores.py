"""How many processor cores this process may use."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def available_cores(root: Path = Path("/")) -> float:
    """Cores that this process may use; less than one where a quota gives it a part of one.

    The lesser of two numbers: the cores that the process may run on, and the quotas of its control
    groups, by which containers and small plans are limited. `root` holds `proc` and `sys`.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min([float(cores), *_quotas(root)])


def _quotas(root: Path) -> Iterator[float]:
    """The quotas of the process's control groups and of all groups above them."""
    for folder in _groups(root):
        # Version 2 has both numbers in one file, version 1 a file for each.
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            with suppress(OSError, ValueError):
                numbers = " ".join((folder / name).read_text() for name in names).split()
                quota, period = map(int, numbers)  # "max" is no number, and no quota
                if quota > 0 and period > 0:  # -1 is none
                    yield quota / period


def _groups(root: Path) -> Iterator[Path]:
    """The folders of the process's processor groups, from its own one upwards.

    A container may not see the folder of its own group. It sees the group's files at the top.
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
