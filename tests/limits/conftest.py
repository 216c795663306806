"""Failed sign-ins are not held here: tests make hundreds of them."""

import pytest

from tests.clocks import record_holds


@pytest.fixture(autouse=True)
def holds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each failed sign-in would have been held."""
    return record_holds(monkeypatch)
