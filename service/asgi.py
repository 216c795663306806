"""How one HTTP request runs: to its end, even when its client hangs up."""

import asyncio
from contextlib import suppress
from typing import Any, cast

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Response
from quart.asgi import ASGIHTTPConnection
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers import Request
from quart.wrappers.response import DataBody
from werkzeug.exceptions import ClientDisconnected

from service.security.same_origin import SAFE_METHODS


class HTTPConnection(ASGIHTTPConnection):
    """Quart's connection, but it never cancels a handler and starts no task that it can spare.

    Quart cancels a handler when the client is gone. In the middle of a statement that costs a
    database connection, and the person cannot know what was written; every step is bounded in
    time anyway, so the work is finished instead.
    """

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request."""
        request = self._create_request_from_scope(send)
        if request.method in SAFE_METHODS:
            request.body.set_complete()  # whatever a client sends with these means nothing
            await self._answer(request, send)
            return
        reader = asyncio.ensure_future(self.handle_messages(request, receive))
        try:
            await self._answer(request, send)
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

    async def handle_messages(self, request: Request, receive: ASGIReceiveCallable) -> None:
        """Read the body; where the client leaves before its end, reading it fails."""
        await super().handle_messages(request, receive)
        if not request.body._complete.is_set():
            request.body._must_raise = ClientDisconnected()
            request.body.set_complete()

    async def _answer(self, request: Request, send: ASGISendCallable) -> None:
        response = await self.app.handle_request(request)
        if isinstance(response, Response) and isinstance(response.response, DataBody):
            body = response.response
            await self._send_whole(send, response, body.data[body.begin : body.end])
        else:
            await self._send_stream(send, response)

    async def _send_whole(self, send: ASGISendCallable, response: Response, body: bytes) -> None:
        """Two messages where the general way takes three."""
        headers = encode_headers(response.headers)
        start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
        await send(cast(Any, start))
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _send_stream(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.app.config["RESPONSE_TIMEOUT"]):
                await self._send_response(send, response)
