"""The gunicorn worker: uvicorn's, told what a service on the open network needs."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

HEADER_TIMEOUT = 10.0  # seconds from the connection, or the first byte, to the end of the headers
GRACE_MARGIN = 5  # seconds left of gunicorn's graceful time-out to close what is open


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP, which waits for ever for a client that begins and does not go on."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._headers_arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request's headers."""
        super().on_message_begin()
        if self._deadline is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        """Stop waiting: from here on the application bounds what takes time."""
        self._headers_arrived()
        super().on_headers_complete()

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(HEADER_TIMEOUT, self.transport.abort)

    def _headers_arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Worker(UvicornWorker):
    """Uvicorn's worker: answers what is under way before it stops, and names nobody in headers."""

    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012 - the base class's form
        "loop": "auto",
        "http": BoundedProtocol,
        "ws": "none",
        "lifespan": "on",
        # Whom to believe about the client's address is for service.security.client_address.
        "proxy_headers": False,
        "server_header": False,
        # service.logs writes the access lines, with the request's id.
        "access_log": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - GRACE_MARGIN)
