"""How one HTTP request runs: to its end, even when its client hangs up."""

import asyncio
from collections import deque
from collections.abc import Generator
from contextlib import suppress
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Quart, Request, Response
from quart.asgi import ASGIHTTPConnection
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers import BaseRequestWebsocket
from quart.wrappers.request import Body as QuartBody
from quart.wrappers.response import DataBody
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.routing import MapAdapter

from service.asgi import send_whole
from service.exceptions import StoppingError
from service.security.same_origin import SAFE_METHODS
from service.web import errors


class Body(QuartBody):
    """A request's body, read from the server when a view first wants it.

    `max_content_length` is in bytes, and may be changed later: `limit`. Reading raises
    RequestEntityTooLarge, or ClientDisconnected if the client leaves before the end.
    """

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(None, None)
        self.limit = max_content_length
        self.receive: ASGIReceiveCallable | None = None  # None: nothing is left to be received
        self._announced = expected_content_length or 0
        self._received = 0
        self._given = 0
        self._parts: deque[bytes] = deque()  # received; Quart's class gets the rest at the end

    def __await__(self) -> Generator[Any, None, bytes]:
        yield from self._read_all().__await__()
        data: bytes = yield from super().__await__()
        self._given = max(self._given, len(data))
        self._check()
        return data

    async def __anext__(self) -> bytes:
        self._check()
        while self.receive is not None and not self._parts:
            await self._read_part(self.receive)
        part = self._parts.popleft() if self._parts else b""
        while not part:  # Quart 0.23 ends with an empty one at times
            part = await super().__anext__()
        self._given += len(part)
        self._check()
        return part

    async def is_here(self) -> bool:
        """Return whether the whole body has come already. Waits for nothing."""
        try:
            async with asyncio.timeout(0):
                await self
        except (TimeoutError, RequestEntityTooLarge, ClientDisconnected):
            return False  # the last two are raised again where the body is read
        return True

    async def _read_all(self) -> None:
        self._check()
        while self.receive is not None:
            await self._read_part(self.receive)

    async def _read_part(self, receive: ASGIReceiveCallable) -> None:
        message: Any = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnected
        if part := message.get("body", b""):
            self._received += len(part)
            self._parts.append(part)
        if not message.get("more_body", False):
            self.receive = None
            # `set_result` and `set_complete` are in every version; Quart 0.23 has no `append`.
            if self._parts:
                self.set_result(b"".join(self._parts))
                self._parts.clear()
            else:
                self.set_complete()
        self._check()

    def _check(self) -> None:
        size = max(self._announced, self._received, self._given)
        if self.limit is not None and size > self.limit:
            raise RequestEntityTooLarge(
                f"At most {self.limit // 1024} KiB can be sent at once. Nothing was changed."
            )


class HTTPConnection(ASGIHTTPConnection):
    """Quart's connection, but it never cancels a handler, and starts no task.

    Quart cancels a handler when the client is gone. In the middle of a statement that costs a
    database connection, and the person cannot know what was written. Every step is bounded in
    time anyway, so the work is finished instead.
    """

    app: "Application"
    scope: Any  # with "answer", which ASGI does not know: see `telemetry.labels`

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request."""
        request = self._create_request_from_scope(send)
        if request.method in SAFE_METHODS:  # their bodies are ignored
            request.body.set_complete()
        else:
            body_of(request).receive = receive
        try:
            response = await self.app.handle_request(request)
        except asyncio.CancelledError:  # the server stops, and has no more time for this request
            await errors.send_refusal(self.app, self.scope, send, StoppingError(), request.url_rule)
            return
        self.scope["answer"] = (request.url_rule, response.status_code)
        with suppress(OSError):  # the client is gone
            await self._answer(response, send)

    async def _answer(self, response: ResponseTypes, send: ASGISendCallable) -> None:
        if isinstance(response, Response) and isinstance(response.response, DataBody):
            body = response.response
            headers, data = encode_headers(response.headers), body.data[body.begin : body.end]
            await send_whole(send, response.status_code, headers, data)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self.app.config["RESPONSE_TIMEOUT"]):
                await self._send_response(send, response)


def body_of(request: Request) -> Body:
    """Return a request's body with our class. Raises TypeError for a request of another class."""
    if not isinstance(request.body, Body):
        raise TypeError("the application's request_class is no BodyRequest")
    return request.body


class BodyRequest(Request):
    """A request with our body."""

    body_class = Body


class Application(Quart):
    """Quart with our connection, and with less to do for each request."""

    asgi_http_class = HTTPConnection

    async def make_default_options_response(self, *context: Any) -> Response:
        """Answer as Quart does, but without a Content-Type for the empty body."""
        response = await super().make_default_options_response(*context)
        del response.headers["Content-Type"]
        return response

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """Match addresses by their path alone, because Werkzeug refuses a Host that is no name."""
        if request is None:
            return super().create_url_adapter(None)
        return self.url_map.bind(
            "localhost",
            request.root_path,
            path_info=request.path,
            default_method=request.method,
            query_args=request.query_string.decode(errors="replace"),
        )
