"""How one HTTP request runs: to its end, even when its client hangs up."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import suppress
from functools import cache, partial
from inspect import CO_COROUTINE
from typing import Any, NamedTuple, cast

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Quart, Request, Response, request
from quart.asgi import ASGIHTTPConnection
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers.request import Body as QuartBody
from quart.wrappers.response import DataBody
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.routing import Rule

from service.asgi import Scope
from service.exceptions import StoppingError
from service.security.same_origin import SAFE_METHODS


class Body(QuartBody):
    """A request's body, read from the server when a view first wants it.

    `limit` is in bytes. Reading raises RequestEntityTooLarge, or ClientDisconnected where the
    client leaves before the end.
    """

    def __init__(self, announced: int | None, limit: int | None) -> None:
        super().__init__(None, None)
        self.limit = limit
        self.receive: ASGIReceiveCallable | None = None  # None where nothing is left to be read
        self._announced = announced or 0
        self._received = 0

    def __await__(self) -> Generator[Any, None, bytes]:
        yield from self._read_all().__await__()
        data: bytes = yield from super().__await__()
        return data

    async def __anext__(self) -> bytes:
        while await self._read_part() == b"":
            pass
        return await super().__anext__()

    async def is_here(self) -> bool:
        """Return whether the whole body has come already. Waits for nothing."""
        try:
            async with asyncio.timeout(0):
                await self._read_all()
        except (TimeoutError, RequestEntityTooLarge, ClientDisconnected):
            return False  # whoever reads the body meets the last two
        return True

    async def _read_all(self) -> None:
        while await self._read_part() is not None:
            pass

    async def _read_part(self) -> bytes | None:
        """Read what the server has next; None where nothing is left."""
        self._check()
        if self.receive is None:
            return None
        message: Any = await self.receive()
        if message["type"] != "http.request":
            raise ClientDisconnected
        part: bytes = message.get("body", b"")
        self._received += len(part)
        if self.limit is None or self._received <= self.limit:
            self.append(part)
        if not message.get("more_body", False):
            self.receive = None
            self.set_complete()
        return part

    def _check(self) -> None:
        if self.limit is not None and max(self._announced, self._received) > self.limit:
            raise RequestEntityTooLarge(
                f"At most {self.limit // 1024} KiB can be sent at once. Nothing was changed."
            )


class RequestHeaders(Headers):
    """A request's headers, which nobody changes: found by name without looking at the others."""

    def __init__(self, client: str, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__()
        self._first: dict[str, str] = {}
        self._list.append(("Remote-Addr", client))  # where Quart's request looks for it
        self._first["remote-addr"] = client
        for raw_name, raw_value in pairs:
            name, value = raw_name.decode("latin1"), raw_value.decode("latin1")
            self._list.append((name.title(), value))
            self._first.setdefault(name.lower(), value)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._first

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]  # noqa: A002
        """The first header of this name."""
        if key.lower() not in self._first:
            return default
        return super().get(key, default, type) if type else self._first[key.lower()]

    def getlist(self, key: str, type: Any = None) -> Any:  # noqa: A002
        """All headers of this name."""
        return super().getlist(key, type) if key.lower() in self._first else []


class HTTPConnection(ASGIHTTPConnection):
    """Quart's connection, but it never cancels a handler, and starts no task.

    Quart cancels a handler when the client is gone. In the middle of a statement that costs a
    database connection, and the person cannot know what was written; every step is bounded in
    time anyway, so the work is finished instead.
    """

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
        self.scope["answer"] = (request.url_rule, response.status_code)  # type: ignore[typeddict-unknown-key]
        with suppress(OSError):  # nobody listens any more
            await self._answer(response, send)

    async def _take_shortcut(self, send: ASGISendCallable) -> bool:
        scope: Any = self.scope
        shortcut = cast(Application, self.app).shortcuts.get(scope["path"])
        answer = None if shortcut is None else await shortcut(scope)
        if answer is None:
            return False
        scope["answer"] = (answer.rule, answer.status)
        with suppress(OSError):
            await _send_whole(send, answer.status, answer.headers, answer.body)
        return True

    async def _refuse(self, request: Request, error: Exception) -> ResponseTypes:
        """Answer an error that no view met: what the server ends, because its own time to stop
        has come, is answered for.
        """
        request.scope["failure"] = error  # type: ignore[typeddict-unknown-key]
        return await self.app.handle_request(request)

    def _create_request_from_scope(self, send: ASGISendCallable) -> Request:
        """As Quart does, with our headers; what is unusual is left to it."""
        scope = self.scope
        if scope["http_version"] < "1.1" or scope.get("root_path") or scope["path"][:1] != "/":
            return super()._create_request_from_scope(send)
        config = self.app.config
        return self.app.request_class(
            scope["method"],
            scope["scheme"],
            scope["path"],
            scope["query_string"],
            RequestHeaders((scope.get("client") or ("<local>",))[0], scope["headers"]),
            "",
            scope["http_version"],
            scope,
            max_content_length=config["MAX_CONTENT_LENGTH"],
            body_timeout=config["BODY_TIMEOUT"],
            send_push_promise=partial(self._send_push_promise, send),
        )

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
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(cast(Any, start))
    await send({"type": "http.response.body", "body": body, "more_body": False})


class BodyRequest(Request):
    """A request with our body."""

    body_class = Body  # type: ignore[assignment]

    @property
    def blueprints(self) -> list[str]:
        """As Quart's, which takes the endpoint apart three times a request."""
        return _blueprints(self.url_rule.endpoint) if self.url_rule is not None else []


@cache
def _blueprints(endpoint: str) -> list[str]:
    """Ours are not nested."""
    blueprint, dot, _ = endpoint.rpartition(".")
    return [blueprint] if dot else []


class Answer(NamedTuple):
    """What a shortcut answers, and the rule that its address is of."""

    rule: Rule
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


Shortcut = Callable[[Scope], Awaitable[Answer | None]]


async def _raise_failure() -> None:
    """What went wrong before Quart had the request, raised where its handlers answer it."""
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

    def ensure_async(self, func: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """The function, if it is a coroutine function: all of ours are.

        To know it, Quart asks `inspect` six times a request.
        """
        code = getattr(func, "__code__", None)
        if code is not None and code.co_flags & CO_COROUTINE:
            return func
        return super().ensure_async(func)
