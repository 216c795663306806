"""How many cores a process may use, by what Linux says of its control groups."""

import os
from pathlib import Path

import pytest

from service.config.cores import available_cores


@pytest.fixture
def all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 64 cores, all of which the process may run on."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)), raising=False)


def system(root: Path, groups: str, **files: str) -> Path:
    """A `proc` that names the process's groups, and files under `sys/fs/cgroup`."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_affinity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where taskset leaves three of the cores, there are three."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {1, 4, 6}, raising=False)
    assert available_cores(tmp_path) == 3


def test_no_affinity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Systems other than Linux tell how many cores they have, or nothing."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cores(tmp_path) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores(tmp_path) == 1


@pytest.mark.usefixtures("all_cores")
@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 0.1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/app\n", {"app/cpu.max": "max 100000\n", "cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "200000 100000\n"}, 0.5),
        ("0::/host/docker/1f\n", {"cpu.max": "10000 100000\n"}, 0.1),
        (
            "3:cpuset:/\n1:cpu,cpuacct:/app\n",
            {
                "cpu,cpuacct/app/cpu.cfs_quota_us": "20000\n",
                "cpu,cpuacct/app/cpu.cfs_period_us": "100000\n",
            },
            0.2,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ("2:cpuset:/\n", {"cpuset/cpu.max": "10000 100000\n"}, 64),
        ("0::/\n", {"cpu.max": ""}, 64),
        ("0::/\n", {}, 64),
    ],
)
def test_quota(tmp_path: Path, groups: str, files: dict[str, str], cores: float) -> None:
    """The smallest quota counts, of the group or one above it, in either version of them."""
    assert available_cores(system(tmp_path, groups, **files)) == pytest.approx(cores)


@pytest.mark.usefixtures("all_cores")
def test_no_control_groups(tmp_path: Path) -> None:
    assert available_cores(tmp_path) == 64


def test_this_machine() -> None:
    """Whatever it is that runs the tests, it has some part of a core."""
    assert 0 < available_cores() <= (os.cpu_count() or 1)
