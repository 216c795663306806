"""Programs for which the modes of files hold: to root they mean nothing."""

import os
import shutil

import pytest

_CAPABILITIES = "-dac_override,-dac_read_search"


def held_to_modes(*command: str) -> list[str]:
    """The command, without root's capability to open every file."""
    if os.geteuid() != 0:
        return [*command]
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed (Debian: apt install util-linux), and we are root")
    caps = [f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}"]
    return [setpriv, *caps, *command]
