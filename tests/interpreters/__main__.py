"""`make test-interpreters`: tests every other interpreter that is promised and found here."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.deploy.blueprints import FREE, ROOT, load, variables, web_service
from tests.interpreters import report
from tests.interpreters.find import Interpreter, MissingError, UnusableError, find, probe
from tests.interpreters.parts import arguments
from tests.requirements.environments import MINORS

FOLDER = ".venvs"


def main() -> int:
    """Return 0 where all that were found passed, 1 otherwise."""
    deployed = variables(web_service(load(FREE)))["PYTHON_VERSION"]["value"]
    results = [_result(minor, deployed) for minor in _others(deployed)]
    report.write([line for line, _ in results])
    return 0 if all(passed for _, passed in results) else 1


def _others(deployed: str) -> Sequence[str]:
    """Every promised version but the one that runs this; that of render.yaml first."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    others = [minor for minor in MINORS if minor != here]
    return sorted(others, key=lambda minor: not _is_deployed(minor, deployed))


def _is_deployed(minor: str, deployed: str) -> bool:
    return deployed.startswith(f"{minor}.")


def _result(minor: str, deployed: str) -> tuple[str, bool]:
    """A line for the report, and whether nothing failed."""
    note = f" (render.yaml asks for {deployed})" if _is_deployed(minor, deployed) else ""
    try:
        interpreter = find(minor, deployed)
    except MissingError as error:
        return f"Python {minor}{note}: {error}", True
    passed = _passes(interpreter, arguments(deployed=bool(note)))
    return f"{interpreter}{note}: {'passed' if passed else 'FAILED'}, {interpreter.path}", passed


def _passes(interpreter: Interpreter, arguments: Sequence[str]) -> bool:
    """Install into an environment of its own, and run the tests there."""
    venv = f"{FOLDER}/{interpreter.minor}"
    _remove_outdated(venv, interpreter)
    make = ["make", f"VENV={venv}", f"PYTHON={interpreter.path}"]
    commands = [
        [*make, f"{venv}/dev"],
        [f"{venv}/bin/python", "-m", "pip", "check"],
        [*make, "test", f"ARGS={shlex.join([*arguments, *sys.argv[1:]])}"],
    ]
    print(f"\n{interpreter}, {interpreter.path}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name != report.VARIABLE}
    return all(
        subprocess.run(each, cwd=ROOT, env=environment, check=False).returncode == 0
        for each in commands
    )


def _remove_outdated(venv: str, interpreter: Interpreter) -> None:
    """An environment is tied to the release that made it."""
    try:
        if probe(ROOT / venv / "bin" / "python").version == interpreter.version:
            return
    except UnusableError:
        pass
    shutil.rmtree(ROOT / venv, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
