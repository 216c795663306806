"""Processor time as Linux tells it: of whole trees, with what has ended in them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.processor import Used, metered, of_machine, of_tree, tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells processor time")

WORK = "import time\nwhile time.process_time() < {seconds}: pass\n"
# Works itself, has a child that works and ends, and one that works and stays; then waits.
FAMILY = """
import subprocess, sys, time
work = sys.argv[1]
subprocess.run([sys.executable, "-c", work])
child = subprocess.Popen([sys.executable, "-c", work + "print(flush=True); input()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
exec(work)
print(flush=True)
input()
"""


@contextmanager
def family(seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has worked, and so have its children, each as long."""
    command = [sys.executable, "-c", FAMILY, WORK.format(seconds=seconds)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.communicate(b"\n")


def test_tree() -> None:
    """A process, the child that lives, and the time of the one that ended."""
    with family(0.3) as process:
        assert len(tree(process.pid)) == 2
        taken = of_tree(process.pid)
    assert taken is not None
    assert taken > 0.8


def test_tree_that_is_gone() -> None:
    with family(0.01) as process:
        pass
    assert of_tree(process.pid) == 0.0
    assert tree(process.pid) == []


def test_metered() -> None:
    """What a client took that ended meanwhile, and what trees took in between, not before."""
    with family(0.3) as process, metered({"server": process.pid, "database": None}) as used:
        subprocess.run([sys.executable, "-c", WORK.format(seconds=0.3)], check=True)
    assert used.trees["server"] is not None
    assert used.trees["server"] < 0.1
    assert used.trees["database"] is None
    assert used.client >= 0.3
    assert used.machine is not None
    assert used.machine > 0.25


def test_machine() -> None:
    """What any process takes is in it."""
    before = of_machine()
    subprocess.run([sys.executable, "-c", WORK.format(seconds=0.2)], check=True)
    after = of_machine()
    assert before is not None
    assert after is not None
    assert after - before > 0.15


def test_others() -> None:
    """What was neither server nor client, in cores; unknown where one of them is."""
    used = Used(2.0, {"server": 1.0, "database": 0.5}, client=0.25, machine=3.75)
    assert used.others == 1.0
    assert Used(2.0, {"server": 3.0}, client=1.0, machine=3.9).others == 0.0
    assert Used(2.0, {"server": None}, client=1.0, machine=3.0).others is None
    assert Used(2.0, {"server": 1.0}, client=1.0, machine=None).others is None
