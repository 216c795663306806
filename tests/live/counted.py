"""The application, which also tells in each answer which process gives it."""

import os

from quart import Quart
from quart.typing import ResponseTypes

from service.app import create_app as create_service


def create_app() -> Quart:
    """The service, with a header more."""
    app = create_service()

    async def tell(response: ResponseTypes) -> ResponseTypes:
        response.headers["X-Process"] = str(os.getpid())
        return response

    app.after_request(tell)
    return app
