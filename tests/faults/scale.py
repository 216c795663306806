"""How much of everything: a little in the suite, all where FULL_SCALE is set (`make soak`)."""

import os
from typing import TypeVar

T = TypeVar("T")


def scale(little: T, everything: T) -> T:
    """What a test is to do, as often or as long as there is time for."""
    return everything if os.environ.get("FULL_SCALE") else little
