"""The application with routes that fail, for the error pages that nothing else leads to."""

from typing import Any, NoReturn

from quart import Quart

from service.app import create_app as create_service
from service.exceptions import DatabaseUnavailableError


def create_app() -> Quart:
    """The service, and two addresses more."""
    app = create_service()

    async def fail(**_: Any) -> NoReturn:
        raise RuntimeError("on purpose")

    async def be_down(**_: Any) -> NoReturn:
        raise DatabaseUnavailableError

    app.add_url_rule("/fails", "fails", fail)
    app.add_url_rule("/is-down", "is_down", be_down)
    return app
