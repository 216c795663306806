"""Finds every wrong variable, for `check-config`; a start stops at the first one."""

import os
from collections.abc import Mapping
from pathlib import Path

from service.config.environment import ConfigurationError
from service.config.secret_keys import random_key
from service.config.settings import Settings

# Replacements for wrong values, so that the other variables can be checked as well. A variable
# without a replacement has a default.
_REPLACEMENTS = {
    "CONFIG_TYPE": "testing",  # this mode requires the fewest other variables
    "DATABASE_URL": "postgresql://stand-in@",
    "PUBLIC_URL": "https://stand-in.invalid",
    "RENDER_EXTERNAL_URL": "https://stand-in.invalid",
}


def read_settings(
    environ: Mapping[str, str] | None = None, *, root: Path | None = None
) -> Settings | list[ConfigurationError]:
    """Return the settings or, if variables are wrong, an error for each of them."""
    values = dict(os.environ if environ is None else environ)
    replacements = {"SECRET_KEY": random_key(), **_REPLACEMENTS}
    errors: dict[str, ConfigurationError] = {}
    while True:
        try:
            settings = Settings.from_env(values, root=root)
        except ConfigurationError as error:
            if error.variable in errors:  # the replacement is wrong, too
                return list(errors.values())
            errors[error.variable] = error
            values[error.variable] = replacements.get(error.variable, "")
        else:
            return list(errors.values()) or settings


def is_on_render(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether Render started this process. Its proxies overwrite CF-Connecting-IP."""
    return bool((os.environ if environ is None else environ).get("RENDER", "").strip())
