"""The folder that gunicorn's processes share."""

import subprocess
import sys
from pathlib import Path

from tests.servers import ROOT

MASTER = """
import os, sys
from service.telemetry.processes import VARIABLE, make_folder

folder = make_folder(sys.argv[1])
assert make_folder(sys.argv[1]) == folder
assert os.environ[VARIABLE] == str(folder)
if not (worker := os.fork()):
    sys.exit(3)
os.waitpid(worker, 0)
print(folder.is_dir(), oct(folder.stat().st_mode)[-3:])
sys.exit(2)
"""


def test_folder_lives_as_long_as_the_master(tmp_path: Path) -> None:
    """A worker that cannot start ends as every program does, and leaves it to the others."""
    command = [sys.executable, "-c", MASTER, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("True 700\n", "", 2)
    assert [*tmp_path.iterdir()] == []
