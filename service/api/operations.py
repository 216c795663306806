"""The decorators that make an operation of a view, by its declaration.

Each decorator authenticates the call, counts it, reads its query or body, handles an
Idempotency-Key, and opens the connection or transaction. `description` makes the OpenAPI document
of the declarations (decision 10). Every public name and text is an argument, so that a new name of
a function or a new docstring does not change the API.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache, wraps

from quart import Response, request

from service import db
from service.api.authentication import Caller, authenticate, require_session, require_token
from service.api.bodies import JSON, check_accept, read_object
from service.api.declarations import (
    Answers,
    BodyT,
    Endpoint,
    EndpointT,
    Nothing,
    OpenCall,
    Operation,
    Path,
    QueryT,
    ReadCall,
    SessionCall,
    Tag,
    View,
    WriteCall,
)
from service.api.idempotency_keys import REPLAYED, commit_once, key_of
from service.db.statements import Connection
from service.exceptions import ServiceError
from service.limits.buckets import Limit
from service.limits.rules import (
    REVOCATIONS,
    WRITES_PER_USER,
    give_back,
    not_counting_failures,
    take_more,
    take_on,
)
from service.validation import check, check_query
from service.web.connection import body_of
from service.web.view_marks import mark


def open_operation(
    *,
    name: str,
    tag: Tag,
    summary: str,
    description: str,
    body: type[BodyT],
    answers: Answers,
    conditional: bool = False,
    limits: tuple[Limit, ...] = (),
    reason: str = "",
    errors: tuple[type[ServiceError], ...] = (),
) -> Callable[[View[OpenCall[BodyT], Path]], Endpoint[Path]]:
    """Declare an operation without authentication. Its view counts against `limits` itself."""
    declared = Operation(
        name=name,
        tag=tag,
        summary=summary,
        description=description,
        scope=None,
        body=body,
        answers=answers,
        conditional=conditional,
        limits=limits,
        reason=reason,
        errors=errors,
    )

    def decorate(view: View[OpenCall[BodyT], Path]) -> Endpoint[Path]:
        @wraps(view)
        async def endpoint(*args: Path.args, **path: Path.kwargs) -> Response:
            check_accept()
            return await view(OpenCall(await _read_body(body, JSON)), *args, **path)

        return _declared(endpoint, declared)

    return decorate


def read_operation(
    *,
    name: str,
    tag: Tag,
    summary: str,
    description: str,
    scope: str,
    query: type[QueryT],
    answers: Answers,
    reason: str,
    conditional: bool = False,
    errors: tuple[type[ServiceError], ...] = (),
) -> Callable[[View[ReadCall[QueryT], Path]], Endpoint[Path]]:
    """Declare an operation that reads. It counts against no limit, for the given `reason`."""
    declared = Operation(
        name=name,
        tag=tag,
        summary=summary,
        description=description,
        scope=scope,
        query=query,
        answers=answers,
        conditional=conditional,
        reason=reason,
        errors=errors,
    )
    read_query = _query_reader(query)

    def decorate(view: View[ReadCall[QueryT], Path]) -> Endpoint[Path]:
        @wraps(view)
        async def endpoint(*args: Path.args, **path: Path.kwargs) -> Response:
            check_accept()
            async with db.read() as connection:
                caller = await authenticate(connection, scope)
                call = ReadCall(caller, connection, read_query(request.query_string))
                return await view(call, *args, **path)

        return _declared(endpoint, declared)

    return decorate


def write_operation(
    *,
    name: str,
    tag: Tag,
    summary: str,
    description: str,
    scope: str,
    body: type[BodyT],
    answers: Answers,
    body_types: tuple[str, ...] = (JSON,),
    max_body: int | None = None,
    at_once: Callable[[WriteCall[BodyT]], Awaitable[Response | None]] | None = None,
    writes: Callable[[BodyT], int] | None = None,
    repeatable: bool = False,
    conditional: bool = False,
    token_only: bool = False,
    write_limit: Limit = WRITES_PER_USER,
    errors: tuple[type[ServiceError], ...] = (),
) -> Callable[[View[WriteCall[BodyT], Path]], Endpoint[Path]]:
    """Declare an operation that writes. Its transaction is committed when the view returns.

    `max_body` is in bytes, by default the limit of the application. `at_once` does the work in one
    statement, or returns None. It is tried first, on a connection without a transaction, and gets
    no variables of the path. `writes` returns the number of changes that a body counts as, by
    default 1.
    """
    declared = Operation(
        name=name,
        tag=tag,
        summary=summary,
        description=description,
        scope=scope,
        body=body,
        answers=answers,
        body_types=body_types,
        repeatable=repeatable,
        conditional=conditional,
        token_only=token_only,
        write_limit=write_limit,
        errors=errors,
    )

    def decorate(view: View[WriteCall[BodyT], Path]) -> Endpoint[Path]:
        @wraps(view)
        async def endpoint(*args: Path.args, **path: Path.kwargs) -> Response:
            check_accept()
            sent = body_of(request)
            if max_body is not None:
                sent.limit = max_body
            async with db.read() as connection:
                caller = await authenticate(connection, scope)
                if token_only:
                    require_token(caller)
                bucket = write_limit.of(_limit_key(write_limit, caller))
                await take_on(connection, bucket)  # before the body: a refused call's is not read
                # Only if the body is here: during a wait for it, the token could be revoked.
                if at_once and not _has_key_or_expects() and await sent.is_here():
                    content = await _read_body(body, *body_types)
                    if response := await at_once(WriteCall(caller, connection, content)):
                        return response
            content = await _read_body(body, *body_types)
            key = await key_of(caller) if repeatable else None
            more = writes(content) - 1 if writes else 0

            async def work(caller: Caller, connection: Connection) -> Response:
                return await view(WriteCall(caller, connection, content), *args, **path)

            await take_more(bucket, more)
            async with not_counting_failures(bucket, cost=more):
                response = await commit_once(scope, key, work)
            if REPLAYED in response.headers:
                await give_back(bucket, cost=more)
            return response

        return _declared(endpoint, declared)

    return decorate


def session_operation(
    *,
    name: str,
    tag: Tag,
    summary: str,
    description: str,
    scope: str,
    body: type[BodyT],
    answers: Answers,
    limits: tuple[Limit, ...],
    body_types: tuple[str, ...] = (JSON,),
    errors: tuple[type[ServiceError], ...] = (),
) -> Callable[[View[SessionCall[BodyT], Path]], Endpoint[Path]]:
    """Declare an operation for sessions only. Its view counts against `limits` itself."""
    declared = Operation(
        name=name,
        tag=tag,
        summary=summary,
        description=description,
        scope=scope,
        body=body,
        answers=answers,
        body_types=body_types,
        session_only=True,
        limits=limits,
        errors=errors,
    )

    def decorate(view: View[SessionCall[BodyT], Path]) -> Endpoint[Path]:
        @wraps(view)
        async def endpoint(*args: Path.args, **path: Path.kwargs) -> Response:
            check_accept()
            async with db.read() as connection:
                caller = await authenticate(connection, scope)
                require_session(caller)
            content = await _read_body(body, *body_types)
            return await view(SessionCall(caller, content), *args, **path)

        return _declared(endpoint, declared)

    return decorate


def _declared(endpoint: EndpointT, declared: Operation) -> EndpointT:
    # `access` and `limit` are the marks that `service.auth` and `service.limits` give to pages.
    access = "public" if declared.scope is None else "token"
    limit = ", ".join(limit.name for limit in declared.counted)
    limit = limit or f"none: {declared.reason}"
    return mark(endpoint, operation=declared, access=access, limit=limit)


def _has_key_or_expects() -> bool:
    """Return whether the request has an Idempotency-Key, or waits for a 100 to send its body."""
    return "Idempotency-Key" in request.headers or "Expect" in request.headers


def _limit_key(write_limit: Limit, caller: Caller) -> str:
    person = str(caller.user.id)
    # Revocations count for each token: a thief of a token must not use up the owner's calls.
    by_token = write_limit is REVOCATIONS and caller.token_id is not None
    return f"{person} by {caller.token_id}" if by_token else person


def _query_reader(shape: type[QueryT]) -> Callable[[bytes], QueryT]:
    """Return a function that reads the current request's query. It refuses unknown parameters.

    Else a misspelt parameter would be ignored, and the answer would be another list than was meant.
    """

    # Cached by the query string, because programs send the same one again and again.
    @lru_cache(maxsize=256)
    def read(_query_string: bytes) -> QueryT:
        return check_query(shape, dict(request.args.lists()))

    return read


_read_no_query = _query_reader(Nothing)


async def _read_body(shape: type[BodyT], *types: str) -> BodyT:
    _read_no_query(request.query_string)
    if shape is Nothing:
        return shape()
    return check(shape, await read_object(*types))
