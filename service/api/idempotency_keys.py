"""Writes that a program may repeat with an Idempotency-Key: see decision 27."""

from collections.abc import Awaitable, Callable

from quart import Response, request

from service import db, idempotency
from service.api.authentication import Caller, authenticate
from service.api.bodies import read_bytes
from service.db.statements import Connection
from service.idempotency import Key, StoredAnswer

REPLAYED = "Idempotency-Replayed"
# Headers that are stored with an answer, for a repeated request.
_KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Cache-Control")


async def commit_once(
    scope: str, key: Key | None, work: Callable[[Caller, Connection], Awaitable[Response]]
) -> Response:
    """Do the work in a transaction and return its answer, or the answer stored with the key."""
    async with db.transaction() as connection:
        # Authenticate again: while the body was read, the token may have been revoked.
        caller = await authenticate(connection, scope)
        if key is not None and (stored := await idempotency.claim(connection, key)):
            headers = {**stored.headers, REPLAYED: "true"}
            return Response(stored.body, stored.status, headers)
        response = await work(caller, connection)
        if key is not None:
            await idempotency.keep(connection, key, await _stored_answer(response))
        return response


async def key_of(caller: Caller) -> Key | None:
    """Return the key of this request, or None. Raises InvalidInputError for a key that is wrong."""
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    method, address = request.method.encode(), request.scope["raw_path"]
    return Key.of(caller.user.id, text, method, address, await read_bytes())


async def _stored_answer(response: Response) -> StoredAnswer:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return StoredAnswer(response.status_code, headers, await response.get_data(as_text=False))
