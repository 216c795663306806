"""Failed sign-ins are not held here, but recorded; the limits' clock is a test's to move."""

import pytest

from tests.clocks import Clock, record_holds, stop_limits_clock


@pytest.fixture(autouse=True)
def holds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each failed sign-in would have been held."""
    return record_holds(monkeypatch)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stands still until it is moved."""
    return stop_limits_clock(monkeypatch)
