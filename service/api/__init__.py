"""The JSON door to the same rules as the pages, under /api/v1.

Start reading at `books`, then at `operations`, which does for every operation what they have in
common. `openapi` describes the operations from the same declarations that check what is sent.
"""

from service.api import batch, books, sessions, shortcut, tokens, users
from service.api.description import docs, openapi
from service.web.connection import Application


def init_app(app: Application) -> None:
    """Open the door."""
    for module in (users, tokens, sessions, books, batch, openapi, docs):
        app.register_blueprint(module.blueprint)
    shortcut.init_app(app)
