"""Pauses of jobs in the background."""

import pytest

from tests.jobs import Pauses


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """For applications that are served after this."""
    return Pauses(monkeypatch)
