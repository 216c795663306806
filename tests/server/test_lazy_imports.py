"""What is postponed is there when it is used, as if it had been imported at once."""

import subprocess
import sys

import pytest

from tests.servers import ROOT

PYTHON = [sys.executable, "-c"]

CALLED = """
import sys
from service.server.lazy_imports import postpone
postpone("colorsys")
from colorsys import rgb_to_hsv
assert "rgb_to_hsv" not in vars(sys.modules["colorsys"])
assert rgb_to_hsv(0, 0, b=1) == (2 / 3, 1, 1)
import colorsys
assert colorsys.__file__ and rgb_to_hsv(0, 0, 1) == colorsys.rgb_to_hsv(0, 0, 1)
"""

ALREADY_THERE = """
import colorsys, sys
from service.server.lazy_imports import postpone
postpone("colorsys")
assert sys.modules["colorsys"] is colorsys
"""

# What stands in the body of a class is evaluated by an import.
USES = {
    "an optional type": "class A:\n    x: ASGIReceiveCallable | None = None",
    "an optional type, the other way round": "class A:\n    x: None | ASGIReceiveCallable",
    "a union of two": "x = HTTPScope | WebsocketScope",
    "a union, by typing": "x = Union[HTTPScope, WebsocketScope, None]",
    "a union with a real type": "x = int | HTTPScope; y = HTTPScope | int",
    "a parameter": "x: list[HTTPScope]; y = Callable[[HTTPScope], ASGIReceiveCallable]",
    "a subscript": "assert get_args(TopologicalSorter[int]) == (int,)",
    "an attribute": "assert Config.from_mapping({'backlog': 7}).backlog == 7",
    "a base class": "class A(HTTPScope):\n    more: int\nassert 'method' in get_type_hints(A)",
    "an instance": "assert not isinstance(1, Config) and isinstance(Config(), (int, Config))",
    "a subclass": "assert issubclass(Config, Config) and not issubclass(int, Config)",
    "a cast": "assert cast(HTTPScope, 1) == 1",
    "a dataclass": "@dataclass\nclass A:\n    x: ASGIReceiveCallable | None = None\nA()",
    "hints": "def f(x: HTTPScope) -> None: ...\nassert get_type_hints(f)",
}
POSTPONED = """
from service.server.lazy_imports import postpone
postpone("graphlib", "hypercorn.config", "hypercorn.typing")
"""
IMPORTS = """
from collections.abc import Callable
from dataclasses import dataclass
from typing import Union, cast, get_args, get_type_hints
from graphlib import TopologicalSorter
from hypercorn.config import Config
from hypercorn.typing import ASGIReceiveCallable, HTTPScope, WebsocketScope
"""

QUARTS_SERVER = """
import asyncio
from service.server.lazy_imports import postpone
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


@pytest.mark.parametrize("use", USES)
def test_used_as_a_type(use: str) -> None:
    """Under gunicorn alone something is postponed: a class that imports elsewhere imports there."""
    run(POSTPONED + IMPORTS + USES[use])


def test_real_types_can_be_used_so() -> None:
    run("\n".join([IMPORTS, *USES.values()]))


def test_no_type_for_isinstance() -> None:
    """An alias is refused as the real one is."""
    run(
        f"{POSTPONED}{IMPORTS}"
        "try:\n    isinstance(1, ASGIReceiveCallable)\n"
        "except TypeError:\n    pass\n"
        "else:\n    assert False\n"
    )


def test_nothing_is_imported_for_an_annotation() -> None:
    run(
        f"from __future__ import annotations{POSTPONED}{IMPORTS}"
        "import sys\n"
        "class A:\n    x: ASGIReceiveCallable | None = None\n"
        "    def f(self, scope: HTTPScope) -> None:\n        cast(HTTPScope, 1)\n"
        "A().f({})\n"
        "assert 'HTTPScope' not in vars(sys.modules['hypercorn.typing'])\n"
    )
