"""What is postponed is there when somebody calls it, as if it had been imported at once."""

import subprocess
import sys

from tests.servers import ROOT

PYTHON = [sys.executable, "-c"]

CALLED = """
import sys
from service.server.lean import postpone
postpone("colorsys")
from colorsys import rgb_to_hsv
assert "rgb_to_hsv" not in vars(sys.modules["colorsys"])
assert rgb_to_hsv(0, 0, b=1) == (2 / 3, 1, 1)
import colorsys
assert colorsys.__file__ and rgb_to_hsv(0, 0, 1) == colorsys.rgb_to_hsv(0, 0, 1)
"""

ALREADY_THERE = """
import colorsys, sys
from service.server.lean import postpone
postpone("colorsys")
assert sys.modules["colorsys"] is colorsys
"""

QUARTS_SERVER = """
import asyncio
from service.server.lean import postpone
postpone("hypercorn.asyncio", "hypercorn.typing")
import quart, sys
assert "hypercorn.asyncio.run" not in sys.modules
async def main():
    app = quart.Quart("app")
    stop = asyncio.Event()
    @app.before_serving
    async def started():
        stop.set()
    await app.run_task(port=0, shutdown_trigger=stop.wait)
asyncio.run(main())
assert "hypercorn.asyncio.run" in sys.modules
"""


def run(code: str) -> None:
    done = subprocess.run(
        [*PYTHON, code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_called() -> None:
    run(CALLED)


def test_already_there() -> None:
    run(ALREADY_THERE)


def test_quarts_own_server() -> None:
    """Nobody runs it under gunicorn; who does all the same gets it."""
    run(QUARTS_SERVER)
