"""Refuses requests before any work is done for them, while more arrive than can be answered."""

from quart import Quart

from service.asgi import ASGIApp, Receive, Scope, Send
from service.db import Database
from service.exceptions import OverloadedError
from service.security.same_origin import SAFE_METHODS
from service.web.errors import send_refusal

# A request that would wait longer for a connection to the database is refused: see decision 28.
# Half of POOL_TIMEOUT, because most requests need a connection twice or more.
LONGEST_WAIT = 0.5  # seconds
RETRY_AFTER = 2  # seconds
_LET_THROUGH = ("/static/", "/favicon.ico", "/livez", "/readyz", "/metrics")


class Overload:
    """ASGI middleware: answers 503 where a request would wait too long for the database.

    A request that can often be answered without the database is let through: a probe, a static
    file, a GET without a cookie or a token.
    """

    def __init__(self, inner: ASGIApp, app: Quart) -> None:
        self.inner = inner
        self.app = app
        database: Database = app.extensions["database"]
        self.queue = database.pool.queue

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if self.queue.expected_wait > LONGEST_WAIT and _needs_database(scope):
            refusal = OverloadedError(
                "The service has more to do than it can at the moment. Nothing was changed.",
                RETRY_AFTER,
            )
            await send_refusal(self.app, scope, send, refusal)
            return
        await self.inner(scope, receive, send)


def _needs_database(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["path"].startswith(_LET_THROUGH):
        return False
    names = {name for name, _ in scope["headers"]}
    return scope["method"] not in SAFE_METHODS or not names.isdisjoint(
        (b"cookie", b"authorization")
    )
