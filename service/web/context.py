"""The settings, the hasher, the warnings and the jobs of the current application, with types."""

from quart import Quart, current_app

from service.config import Settings
from service.logs import SeldomWarnings
from service.security.passwords import PasswordHasher


def init_app(app: Quart, settings: Settings) -> None:
    """Store the settings and the password hasher, and end the hasher's threads after serving."""
    app.extensions["settings"] = settings
    app.testing = settings.config_type == "testing"
    hasher = app.extensions["password_hasher"] = PasswordHasher(settings.web_concurrency)

    @app.after_serving
    async def close() -> None:
        hasher.close()


def get_settings() -> Settings:
    """Return the current application's settings."""
    settings: Settings = current_app.extensions["settings"]
    return settings


def get_password_hasher() -> PasswordHasher:
    """Return the current application's password hasher."""
    hasher: PasswordHasher = current_app.extensions["password_hasher"]
    return hasher


def get_warnings() -> SeldomWarnings:
    """Return the current application's log of warnings that must not repeat for each request."""
    warnings: SeldomWarnings = current_app.extensions["warnings"]
    return warnings


def wake(job: str) -> None:
    """Run a job of `server.background.JOBS` now, in this process. Raises KeyError.

    For use after the commit of the rows that the job looks for.
    """
    current_app.extensions["jobs"][job].set()
