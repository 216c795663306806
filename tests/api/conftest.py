"""The cast's programs. Failed sign-ins are not held here."""

import pytest
from quart import Quart

from tests.api.programs import Program, Script, add_program
from tests.clocks import record_holds
from tests.people import Person


@pytest.fixture(autouse=True)
def holds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each failed sign-in would have been held."""
    return record_holds(monkeypatch)


@pytest.fixture
async def program(app: Quart, alice: Person) -> Program:
    """Alice's, which may do everything that a token may."""
    return await add_program(app, alice.id)


@pytest.fixture
async def bobs(app: Quart, bob: Person) -> Program:
    """Bob's, which must not reach what is Alice's."""
    return await add_program(app, bob.id)


@pytest.fixture
def script(alice: Person) -> Script:
    """A script of our pages in Alice's browser."""
    return Script(alice)


@pytest.fixture
def stranger(app: Quart) -> Program:
    """Nobody's: it has no token."""
    return Program(app)
