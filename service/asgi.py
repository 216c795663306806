"""How one HTTP request runs: to its end, even when its client hangs up."""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import suppress
from typing import Any, cast

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Request, Response
from quart.asgi import ASGIHTTPConnection
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers.response import DataBody
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from service.exceptions import StoppingError
from service.security.same_origin import SAFE_METHODS


class Body:
    """A request's body, in place of Quart's: read from the server when a view first wants it.

    `limit` is in bytes. Awaiting it raises RequestEntityTooLarge, or ClientDisconnected where the
    client leaves before the end.
    """

    def __init__(self, announced: int | None, limit: int | None) -> None:
        self.announced = announced
        self.limit = limit
        self.receive: ASGIReceiveCallable | None = None
        self._data: bytes | None = None

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._read().__await__()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The whole in one part: it is small."""
        yield await self._read()

    def clear(self) -> None:
        """Forget what was read."""
        self._data = b""

    async def _read(self) -> bytes:
        if self._data is None:
            self._check(self.announced or 0)
            self._data = b"" if self.receive is None else await self._gather(self.receive)
        return self._data

    async def _gather(self, receive: ASGIReceiveCallable) -> bytes:
        data, more = bytearray(), True
        while more:
            message: Any = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnected
            data += message.get("body", b"")
            more = message.get("more_body", False)
            self._check(len(data))
        return bytes(data)

    def _check(self, size: int) -> None:
        if self.limit is not None and size > self.limit:
            raise RequestEntityTooLarge


class HTTPConnection(ASGIHTTPConnection):
    """Quart's connection, but it never cancels a handler, and starts no task.

    Quart cancels a handler when the client is gone. In the middle of a statement that costs a
    database connection, and the person cannot know what was written; every step is bounded in
    time anyway, so the work is finished instead.
    """

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request."""
        request = self._create_request_from_scope(send)
        if request.method not in SAFE_METHODS:  # what is sent with those means nothing
            cast(Body, request.body).receive = receive
        try:
            response = await self.app.handle_request(request)
        except asyncio.CancelledError:
            response = await self._refuse(request)
        # For who counts and traces around us: what the address meant, and what came of it.
        self.scope["answer"] = (request.url_rule, response.status_code)  # type: ignore[typeddict-unknown-key]
        with suppress(OSError):  # nobody listens any more
            await self._answer(response, send)

    async def _refuse(self, request: Request) -> ResponseTypes:
        """What the server ends, because its own time to stop has come, is answered for."""
        async with self.app.request_context(request):
            answer = await self.app.handle_user_exception(StoppingError())
            return await self.app.finalize_request(answer, from_error_handler=True)

    async def _answer(self, response: ResponseTypes, send: ASGISendCallable) -> None:
        if isinstance(response, Response) and isinstance(response.response, DataBody):
            body = response.response
            await self._send_whole(send, response, body.data[body.begin : body.end])
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self.app.config["RESPONSE_TIMEOUT"]):
                await self._send_response(send, response)

    async def _send_whole(self, send: ASGISendCallable, response: Response, body: bytes) -> None:
        """Two messages where the general way takes three."""
        headers = encode_headers(response.headers)
        start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
        await send(cast(Any, start))
        await send({"type": "http.response.body", "body": body, "more_body": False})


class BodyRequest(Request):
    """A request with our body."""

    body_class = Body  # type: ignore[assignment]
