"""The JSON door to the same rules as the pages, under /api/v1.

Start reading at `books`, then at `operations`, which does for every operation what they have in
common. `openapi` describes the operations from the same declarations that check what is sent.
"""

from quart import Quart

from service.api import batch, books, sessions, tokens, users
from service.api.description import docs, openapi


def init_app(app: Quart) -> None:
    """Open the door."""
    for module in (users, tokens, sessions, books, batch, openapi, docs):
        app.register_blueprint(module.blueprint)
