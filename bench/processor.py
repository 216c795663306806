"""Processor time, in seconds: it says more than a rate on a machine that others use, too.

Linux alone tells it. Elsewhere each function returns None.
"""

import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
SETTLED = 0.3  # seconds in which a server did nothing
IDLE = 0.1  # of a core: heartbeats and the like
SETTLE_TIMEOUT = 10.0  # seconds
# Fields of /proc/<pid>/stat, counted from behind the closing bracket of the command's name.
_PARENT = 1
_TIMES = slice(11, 15)  # user and system time, and those of children that have ended
# Fields of the first line of /proc/stat that are not work: idle and waiting for a disk.
_IDLE = (3, 4)
_USER_TO_STEAL = 8  # the fields after these count guests, which "user" has in it already


@dataclass
class Used:
    """Processor seconds between two moments that are `seconds` apart; None where unknown."""

    seconds: float = 0.0
    trees: dict[str, float | None] = field(default_factory=dict)
    client: float = 0.0  # of child processes that were started and ended in between
    machine: float | None = None  # of everything that ran

    @property
    def others(self) -> float | None:
        """Cores that were busy with anything but the trees and the client."""
        known = [seconds for seconds in self.trees.values() if seconds is not None]
        if self.machine is None or len(known) < len(self.trees):
            return None
        return max(0.0, self.machine - sum(known) - self.client) / self.seconds


@contextmanager
def metered(trees: Mapping[str, int | None]) -> Iterator[Used]:
    """Yield a `Used` that is filled in when the block ends.

    `trees` has the process id of each tree's root. A process of a tree that ends within the block
    still counts, if its parent has waited for it.
    """
    used = Used()
    before, machine, clients, begun = _trees(trees), of_machine(), _ended(), time.perf_counter()
    yield used
    used.seconds = time.perf_counter() - begun
    used.client = _ended() - clients
    used.machine = _difference(of_machine(), machine)
    after = _trees(trees)
    used.trees = {name: _difference(after[name], before[name]) for name in trees}


def of_tree(root: int) -> float | None:
    """User and system time of a process and all of its descendants, ended children included."""
    if not (PROC / "self" / "stat").exists():
        return None
    ticks = sum(sum(map(int, fields[_TIMES])) for fields in _stats(root).values())
    return ticks / os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """The ids of a process and all of its descendants that live."""
    return list(_stats(root))


def _stats(root: int) -> dict[int, list[str]]:
    """The fields of /proc/<pid>/stat behind the command's name, by process id."""
    stats: dict[int, list[str]] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended meanwhile
            continue
        stats[int(stat.parent.name)] = fields
        children[int(fields[_PARENT])].append(int(stat.parent.name))
    found, left = {}, [root]
    while left:
        pid = left.pop()
        if pid in stats:
            found[pid] = stats[pid]
            left += children[pid]
    return found


def of_machine() -> float | None:
    """Time that the machine's cores were busy since it started."""
    try:
        first = (PROC / "stat").read_text().partition("\n")[0]
    except OSError:
        return None
    fields = [int(text) for text in first.split()[1:]]
    busy = sum(fields[:_USER_TO_STEAL]) - sum(fields[index] for index in _IDLE)
    return busy / os.sysconf("SC_CLK_TCK")


def settle(root: int) -> None:
    """Wait until a server does nothing any more: wrk leaves while requests are under way.

    Ten seconds at most. Elsewhere than on Linux, nothing is waited for.
    """
    deadline = time.monotonic() + SETTLE_TIMEOUT
    before = of_tree(root)
    while before is not None and time.monotonic() < deadline:
        time.sleep(SETTLED)
        after = of_tree(root)
        if after is None or after - before < SETTLED * IDLE:
            return
        before = after


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _trees(roots: Mapping[str, int | None]) -> dict[str, float | None]:
    return {name: None if root is None else of_tree(root) for name, root in roots.items()}


def _ended() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
