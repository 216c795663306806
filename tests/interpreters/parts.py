"""The parts of the suite that are run on an interpreter beside the machine's own.

Nearly everything depends on it: Quart and Werkzeug have releases for some interpreters only,
asyncio changes from one to the next, servers and commands are processes of it. So the parts are
named that do not, or that cost more than they tell; a new test is run everywhere.
"""

from collections.abc import Mapping, Sequence

LEFT_OUT: Mapping[str, str] = {
    "tests/browser": "Chromium sees the same answers that the other tests compare",
    "tests/cli/backup": "files and damage in bulk; tests/cli runs the same commands",
    "tests/migrations": "Alembic's statements; bin/migrate runs in tests/deploy as well",
    "tests/api/test_schemathesis.py": "generated calls in bulk; each operation has its own tests",
}
# For the interpreter that render.yaml asks for alone: minutes of waiting for time-outs.
LEFT_OUT_ELSEWHERE: Mapping[str, str] = {
    "tests/faults": "time-outs and killed processes, slow to provoke",
}


def arguments(*, deployed: bool) -> Sequence[str]:
    """Return pytest's arguments; `deployed` is for the interpreter of render.yaml."""
    left_out = LEFT_OUT if deployed else {**LEFT_OUT, **LEFT_OUT_ELSEWHERE}
    return [f"--ignore={path}" for path in left_out]
