"""Every wrong variable at once, for operators who ask; a start stops at the first."""

import os
from collections.abc import Mapping
from pathlib import Path

from service.config.environment import ConfigurationError
from service.config.secret_keys import random_key
from service.config.settings import Settings

# What stands in for a wrong value while the others are looked at; the rest have defaults.
_STAND_INS = {
    "CONFIG_TYPE": "testing",  # which demands least of the others
    "DATABASE_URL": "postgresql://stand-in@",
    "PUBLIC_URL": "https://stand-in.invalid",
    "RENDER_EXTERNAL_URL": "https://stand-in.invalid",
}


def read_settings(
    environ: Mapping[str, str] | None = None, *, root: Path | None = None
) -> Settings | list[ConfigurationError]:
    """The settings, or what is wrong with each variable that is."""
    values = dict(os.environ if environ is None else environ)
    stand_ins = {"SECRET_KEY": random_key(), **_STAND_INS}
    errors: dict[str, ConfigurationError] = {}
    while True:
        try:
            settings = Settings.from_env(values, root=root)
        except ConfigurationError as error:
            if error.variable in errors:  # the stand-in is no better
                return list(errors.values())
            errors[error.variable] = error
            values[error.variable] = stand_ins.get(error.variable, "")
        else:
            return list(errors.values()) or settings


def is_on_render(environ: Mapping[str, str] | None = None) -> bool:
    """Whether Render started this process: its edge overwrites the header with the address."""
    return bool((os.environ if environ is None else environ).get("RENDER", "").strip())
