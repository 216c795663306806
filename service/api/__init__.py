"""The JSON API under /api/v1: a door to the same rules as the pages.

Start reading at `books`, then at `operations`, which has the common steps of all operations. The
declarations there check the requests, and `description.openapi` makes the OpenAPI document of them.
"""

from quart import Quart

from service.api import batch, books, sessions, tokens, users
from service.api.description import docs, openapi


def init_app(app: Quart) -> None:
    """Register the blueprints of all operations."""
    for module in (users, tokens, sessions, books, batch, openapi, docs):
        app.register_blueprint(module.blueprint)
