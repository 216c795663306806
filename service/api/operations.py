"""What all operations have in common, declared once beside each view.

The declaration does the work (who may, how often, what is read, how it may be repeated) and is
what `openapi` describes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

from quart import Response, request

from service import db, idempotency
from service.api.authentication import Caller, authenticate, require_session, require_token
from service.api.bodies import JSON, check_accept, read_bytes, read_object
from service.db.statements import Connection
from service.exceptions import ServiceError
from service.idempotency import Key, StoredAnswer
from service.limits.buckets import Limit
from service.limits.views import (
    REVOCATIONS,
    WRITES_PER_USER,
    give_back,
    not_counting_failures,
    take_more,
    take_on,
)
from service.security.same_origin import SAFE_METHODS
from service.shapes import Shape, check, check_query
from service.web.connection import Body

View = Callable[..., Awaitable[Response]]
ViewT = TypeVar("ViewT", bound=View)

_REPLAYED = "Idempotency-Replayed"
_KEPT_HEADERS = (
    "Content-Type",
    "Location",
    "ETag",
    "Cache-Control",
)  # of an answer that may be asked for again


@dataclass
class Call:
    """One call of an operation, as its view gets it."""

    caller: Caller
    connection: Connection  # a write's is in a transaction
    query: Any = None
    body: Any = None

    @property
    def owner(self) -> int:
        """The id of the person in whose name it is."""
        return self.caller.user.id


@dataclass(frozen=True)
class Operation:
    """An operation, for programs that want to know what it takes and gives.

    `scope` is None for what is open to everybody, empty for what any token may do. `answers` has
    the shape of each good status, None for one without a body. `limits` are those that it counts
    by itself.
    """

    summary: str
    scope: str | None
    answers: dict[int, Any]
    query: type[Shape] | None = None
    body: type[Shape] | None = None
    body_types: tuple[str, ...] = (JSON,)
    repeatable: bool = False  # takes an Idempotency-Key
    at_once: Callable[..., Awaitable[Response | None]] | None = (
        None  # tried first: the same in one statement, or None
    )
    writes: Callable[[Any], int] = lambda _body: 1  # how many a call with this body counts as
    conditional: bool = False  # has an ETag, and takes conditions about it
    session_only: bool = False
    token_only: bool = False
    write_limit: Limit = WRITES_PER_USER  # counted for each person
    max_body: int | None = None  # bytes, where it may be more than usual
    limits: tuple[Limit, ...] = ()
    reason: str = ""  # why it needs no limit
    errors: tuple[type[ServiceError], ...] = ()  # beside those that follow from the rest

    @property
    def counted(self) -> tuple[Limit, ...]:
        """Every limit that a call counts against."""
        if self.reason or self.scope is None or self.session_only:
            return self.limits
        return (*self.limits, self.write_limit)


def operation(
    summary: str, scope: str | None, answers: dict[int, Any], **options: Any
) -> Callable[[ViewT], ViewT]:
    """Make a view an operation, for its method: reads and writes differ in what they are given.

    A read gets a `Call` with a connection, on which it was authenticated; a write one with a
    session in a transaction, which is committed when the view returns. What is open to everybody
    gets only what was sent, and an operation that is `session_only` what was sent and the caller.
    """
    declared = Operation(summary, scope, answers, **options)

    def decorate(view: ViewT) -> ViewT:
        @wraps(view)
        async def wrapped(**path: Any) -> Response:
            check_accept()
            if declared.scope is None:
                return await view(body=await _read_body(declared), **path)
            if request.method in SAFE_METHODS:
                return await _read(declared, declared.scope, view, path)
            return await _write(declared, declared.scope, view, path)

        wrapped.operation = declared  # type: ignore[attr-defined]
        wrapped.access = "public" if scope is None else "token"  # type: ignore[attr-defined]
        wrapped.limit = _limit(declared)  # type: ignore[attr-defined]
        return wrapped  # type: ignore[return-value]

    return decorate


async def _read(declared: Operation, scope: str, view: View, path: dict[str, Any]) -> Response:
    async with db.read() as connection:
        caller = await authenticate(connection, scope)
        query = _read_query(declared)
        return await view(Call(caller, connection, query), **path)


async def _write(declared: Operation, scope: str, view: View, path: dict[str, Any]) -> Response:
    body = cast(Body, request.body)
    if declared.max_body is not None:
        body.limit = declared.max_body
    # Then nothing is waited for between the proof and the work, and one proof is enough.
    at_once = declared.body is not None and await body.is_here()
    async with db.read() as connection:
        caller = await authenticate(connection, scope)
        if declared.session_only:
            require_session(caller)
        if declared.token_only:
            require_token(caller)
        bucket = declared.write_limit.of(_counted_for(declared, caller))
        if declared.write_limit in declared.counted:
            await take_on(connection, bucket)  # before the body: what is too much is not read
        if at_once and declared.at_once and "Idempotency-Key" not in request.headers:
            call = Call(caller, connection, body=await _read_body(declared))
            if response := await declared.at_once(call, **path):
                return response
    content = await _read_body(declared)
    if declared.session_only:
        return await view(caller=caller, body=content, **path)
    key = await _key(declared, caller)
    more = declared.writes(content) - 1
    await take_more(bucket, more)
    async with not_counting_failures(bucket, cost=more):
        response = await _commit(caller if at_once else scope, view, path, content, key)
    if _REPLAYED in response.headers:
        await give_back(bucket, cost=more)
    return response


async def _commit(
    caller: Caller | str, view: View, path: dict[str, Any], body: Any, key: Key | None
) -> Response:
    """What a write answers, done and committed, or done before with the same key.

    The caller is proven again where only the scope is given.
    """
    async with db.transaction() as connection:
        if isinstance(caller, str):
            # Reading the body may have taken seconds, in which the token was revoked.
            caller = await authenticate(connection, caller)
        if key is not None and (stored := await idempotency.claim(connection, key)):
            headers = {**stored.headers, _REPLAYED: "true"}
            return Response(stored.body, stored.status, headers)
        response = await view(Call(caller, connection, body=body), **path)
        if key is not None:
            await idempotency.keep(connection, key, await _stored(response))
        return response


def _counted_for(declared: Operation, caller: Caller) -> str:
    person = str(caller.user.id)
    # What ends a token is counted for that token: else whoever stole it could stop its owner.
    by_token = declared.write_limit is REVOCATIONS and caller.token_id is not None
    return f"{person} by {caller.token_id}" if by_token else person


def _read_query(declared: Operation) -> Shape | None:
    """Strict: a misspelt parameter would give another list than was asked for."""
    return _checked_query(declared.query or Shape, request.query_string)


@lru_cache(maxsize=256)
def _checked_query(shape: type[Shape], _query_string: bytes) -> Shape:
    """Programs ask for the same again and again. The string is what `request.args` has read."""
    return check_query(shape, dict(request.args.lists()))


async def _read_body(declared: Operation) -> Any:
    _read_query(declared)
    if declared.body is None:
        return None
    return check(declared.body, await read_object(*declared.body_types))


async def _key(declared: Operation, caller: Caller) -> Key | None:
    text = request.headers.get("Idempotency-Key")
    if text is None or not declared.repeatable:
        return None
    method, address = request.method.encode(), request.scope["raw_path"]
    return Key.of(caller.user.id, text, method, address, await read_bytes())


async def _stored(response: Response) -> StoredAnswer:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return StoredAnswer(response.status_code, headers, await response.get_data(as_text=False))


def _limit(declared: Operation) -> str:
    if declared.reason:
        return f"none: {declared.reason}"
    return ", ".join(limit.name for limit in declared.counted)
