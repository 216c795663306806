"""recorded.json is what `make lock` would write."""

import pytest

from tests.requirements.metadata import installed, recorded
from tests.requirements.pins import FILES, Pin, read_pins

marked = [pin for pin in read_pins("requirements-dev.txt") if pin.marker]


def test_every_marker_and_nothing_else() -> None:
    everywhere = {str(pin) for file in FILES for pin in read_pins(file) if pin.marker}
    assert recorded().keys() == everywhere


@pytest.mark.parametrize("pin", marked, ids=str)
def test_record_true(pin: Pin) -> None:
    """The record of a release that is installed here is the release's own metadata."""
    found = installed(pin)
    if found is None:
        pytest.skip(f"{pin} is for other interpreters or systems: {pin.marker}")
    assert recorded()[str(pin)] == found
