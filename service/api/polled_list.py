"""The list of books as programs poll it, answered by middleware in front of Quart.

Quart's request, its view and its response take longer than the two statements and the JSON
together: see decision 12. The middleware answers a plain request with 200, 304 or 503. It passes
every other request to Quart, which also makes every other refusal. It has no rules of its own.
"""

import asyncio
from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec
from quart import Quart

from service.api.authentication import authenticate_token
from service.api.bodies import JSON
from service.api.books import ADDRESS, LIST_SCOPE, ListQuery, part_of_list, place_of
from service.api.conditions import etag_of_list
from service.asgi import ASGIApp, Receive, Scope, Send, send_whole
from service.books import queries
from service.config import Settings
from service.db import Database
from service.exceptions import (
    DatabaseUnavailableError,
    InvalidInputError,
    StoppingError,
)
from service.validation import check_query
from service.web.errors import send_refusal
from service.web.etags import is_known
from service.web.guards import check_head

_ACCEPTED = (b"*/*", JSON.encode())
Answer = tuple[int, dict[str, str], bytes]


class PolledList:
    """ASGI middleware: answers GET of the list with a token, where the request is plain."""

    def __init__(self, inner: ASGIApp, app: Quart) -> None:
        [self.rule] = app.url_map.iter_rules("api_books.list_books")
        self.inner = inner
        self.app = app
        self.settings: Settings = app.extensions["settings"]
        self.database: Database = app.extensions["database"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        if scope["type"] != "http" or scope["path"] != ADDRESS or scope["method"] != "GET":
            await self.inner(scope, receive, send)
            return
        try:
            answer = await self.answer(scope)
        except DatabaseUnavailableError as error:  # a second try would double the time
            await send_refusal(self.app, scope, send, error, self.rule)
            return
        except asyncio.CancelledError:  # the server stops
            await send_refusal(self.app, scope, send, StoppingError(), self.rule)
            return
        if answer is None:
            await self.inner(scope, receive, send)
            return
        status, headers, body = answer
        scope["answer"] = (self.rule, status)
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        try:
            await send_whole(send, status, encoded, body)
        except OSError:
            return  # the client is gone

    async def answer(self, scope: Scope) -> Answer | None:
        """Return the status, the headers and the body; None for a request to be passed on."""
        headers = dict(scope["headers"])
        query = _query(scope["query_string"])
        scheme, _, token = headers.get(b"authorization", b"").decode("latin1").partition(" ")
        plain = (
            query is not None
            and scheme == "Bearer"
            and len(headers) == len(scope["headers"])  # no header came twice
            and headers.get(b"accept", b"*/*") in _ACCEPTED
            and headers.get(b"x-forwarded-proto", b"https") == b"https"
            and not scope.get("root_path")
        )
        if not plain or query is None:
            return None
        try:
            check_head(scope, self.settings)
            return await self._answer(query, token, headers.get(b"if-none-match", b""))
        except DatabaseUnavailableError:
            raise
        except Exception:
            return None  # refused there, with all that belongs to a refusal or a fault

    async def _answer(self, query: ListQuery, token: str, known: bytes) -> Answer:
        async with self.database.read() as connection:
            caller = await authenticate_token(connection, token.strip(), LIST_SCOPE, self.app)
            place = place_of(query)
            etag = etag_of_list(caller.user.id, caller.user.books_revision)
            if is_known(known.decode("latin1"), etag):
                return 304, {"ETag": etag}, b""
            rows = await queries.list_books_in_order(
                connection, caller.user.id, query.sort, place, query.limit + 1
            )
        found, link = part_of_list(query, rows)
        body = msgspec.json.encode(found)
        headers = {"ETag": etag, **link, "Content-Type": JSON, "Content-Length": str(len(body))}
        return 200, headers, body


@lru_cache(maxsize=256)
def _query(query_string: bytes) -> ListQuery | None:
    """Return the checked query, or None if it is refused or asks for the number of all books."""
    try:
        fields = parse_qsl(query_string.decode("ascii"), keep_blank_values=True)
        texts = {name: [text] for name, text in fields}
        query = check_query(ListQuery, texts)
    except (ValueError, InvalidInputError):
        return None
    return query if len(texts) == len(fields) and not query.count else None
