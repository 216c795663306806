"""How one HTTP request runs: to its end, even when its client hangs up."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any, NamedTuple, cast

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Quart, Request, Response, request
from quart.asgi import ASGIHTTPConnection
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers import BaseRequestWebsocket
from quart.wrappers.request import Body as QuartBody
from quart.wrappers.response import DataBody
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.routing import MapAdapter, Rule

from service.asgi import Scope
from service.exceptions import StoppingError
from service.security.same_origin import SAFE_METHODS


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
    database connection, and the person cannot know what was written; every step is bounded in
    time anyway, so the work is finished instead.
    """

    app: "Application"
    scope: Any  # with "answer" and "failure", which ASGI does not know

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request."""
        failure: Exception | None = None
        try:
            if await self._take_shortcut(send):
                return
        except asyncio.CancelledError:
            failure = StoppingError()
        except Exception as error:
            failure = error
        request = self._create_request_from_scope(send)
        if request.method in SAFE_METHODS:  # what is sent with those means nothing
            request.body.set_complete()
        else:
            cast(Body, request.body).receive = receive
        try:
            if failure is not None:
                response = await self._refuse(request, failure)
            else:
                response = await self.app.handle_request(request)
        except asyncio.CancelledError:
            response = await self._refuse(request, StoppingError())
        # For who counts and traces around us: what the address meant, and what came of it.
        self.scope["answer"] = (request.url_rule, response.status_code)
        with suppress(OSError):  # nobody listens any more
            await self._answer(response, send)

    async def _take_shortcut(self, send: ASGISendCallable) -> bool:
        shortcut = self.app.shortcuts.get(self.scope["path"])
        answer = None if shortcut is None else await shortcut(self.scope)
        if answer is None:
            return False
        self.scope["answer"] = (answer.rule, answer.status)
        with suppress(OSError):
            await _send_whole(send, answer.status, answer.headers, answer.body)
        return True

    async def _refuse(self, request: Request, error: Exception) -> ResponseTypes:
        """Answer an error that no view met: what the server ends, because its own time to stop
        has come, is answered for.
        """
        self.scope["failure"] = error
        return await self.app.handle_request(request)

    async def _answer(self, response: ResponseTypes, send: ASGISendCallable) -> None:
        if isinstance(response, Response) and isinstance(response.response, DataBody):
            body = response.response
            headers, data = encode_headers(response.headers), body.data[body.begin : body.end]
            await _send_whole(send, response.status_code, headers, data)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self.app.config["RESPONSE_TIMEOUT"]):
                await self._send_response(send, response)


async def _send_whole(
    send: ASGISendCallable, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """Two messages where the general way takes three."""
    start: Any = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


class BodyRequest(Request):
    """A request with our body."""

    body_class = Body


class Answer(NamedTuple):
    """The answer of a shortcut, with the URL rule that its address matches."""

    rule: Rule
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


Shortcut = Callable[[Scope], Awaitable[Answer | None]]


async def _raise_failure() -> None:
    """Raise an error from before Quart had the request, where Quart's handlers answer it."""
    scope: Any = request.scope
    if "failure" in scope:
        raise scope["failure"]


class Application(Quart):
    """Quart, with less to do for each request."""

    asgi_http_class = HTTPConnection

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # By path. One answers without Quart what it can answer exactly so, or None: then, or when
        # it raises, the request goes the ordinary way or is refused there.
        self.shortcuts: dict[str, Shortcut] = {}
        self.before_request(_raise_failure)

    async def make_default_options_response(self, *context: Any) -> Response:
        """As Quart's, which says of an empty answer that it is a page."""
        response = await super().make_default_options_response(*context)
        del response.headers["Content-Type"]
        return response

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """Match addresses by their path alone: Werkzeug refuses a Host that is no name."""
        if request is None:
            return super().create_url_adapter(None)
        return self.url_map.bind(
            "localhost",
            request.root_path,
            path_info=request.path,
            default_method=request.method,
            query_args=request.query_string.decode(errors="replace"),
        )
