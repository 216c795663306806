"""The API's list, and adding to it, with no framework at all: an ASGI callable, asyncpg, msgspec.

A floor, not a service. Equal to ours: the statement that authenticates, the one that reads, and
what adding leaves in the tables; the pool's size; the bounds of a book; the bytes of the list
with its ETag and Link. Left out: routing, any other method or parameter, other errors than 401
and 422, repeatable requests, time-outs, a check of the connections, security headers, a request
id, access lines. A book is added by one statement, the fewest that there can be.
"""

import base64
import hashlib
import os
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qs

import asyncpg
import msgspec

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

OWNER = """
SELECT users.id, users.books_revision, access_tokens.scopes
  FROM users JOIN access_tokens ON access_tokens.user_id = users.id
 WHERE access_tokens.token_hash = $1 AND access_tokens.expires_at > $2
"""
BOOKS = """
SELECT id, title, author, rating, created_at, updated_at, version
  FROM books WHERE user_id = $1 ORDER BY id DESC LIMIT $2
"""
# The number of the change is the new book's version: both are written, or neither.
ADD = """
WITH counted AS (
    UPDATE users SET books_revision = books_revision + 1 WHERE id = $1 RETURNING id, books_revision
)
INSERT INTO books (user_id, version, title, author, rating, created_at, updated_at)
SELECT id, books_revision, $2, $3, $4, $5, $5 FROM counted
RETURNING id, title, author, rating, created_at, updated_at, version
"""
ENCODER = msgspec.json.Encoder()


class Book(msgspec.Struct):
    """A book as it is shown."""

    id: int
    title: str
    author: str
    rating: int | None
    created_at: datetime
    updated_at: datetime
    version: int


class NewBook(msgspec.Struct, forbid_unknown_fields=True):
    """A book to be added."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]
    author: Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"\S")]
    rating: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None


class BookList(msgspec.Struct):
    """A part of the list, and where it goes on."""

    items: list[Book]
    next: str | None


class App:
    """The application; its pool lives as long as it serves."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.pool: asyncpg.Pool

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._serve(receive, send)
        elif scope["path"] == "/api/v1/books" and scope["method"] == "POST":
            await self._add(scope, receive, send)
        elif scope["path"] == "/api/v1/books":
            await self._list(scope, send)
        else:
            await _answer(send, 404, [])

    async def _serve(self, receive: Receive, send: Send) -> None:
        await receive()
        self.pool = await asyncpg.create_pool(
            # The default asks the server to reset what we never set: a third statement.
            self.database_url, min_size=5, max_size=10, reset=_leave
        )  # fmt: skip
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _list(self, scope: MutableMapping[str, Any], send: Send) -> None:
        headers = dict(scope["headers"])
        limit = int(parse_qs(scope["query_string"])[b"limit"][0])
        async with self.pool.acquire() as connection:
            owner = await _owner(connection, headers, "books:read")
            if owner is None:
                await _answer(send, 401, [])
                return
            etag = b'"1-of-%d-%d"' % (owner["id"], owner["books_revision"])
            if headers.get(b"if-none-match") == etag:
                await _answer(send, 304, [(b"etag", etag)])
                return
            rows = await connection.fetch(BOOKS, owner["id"], limit + 1)
        books = [Book(*row) for row in rows[:limit]]
        after = _cursor(books[-1].id) if len(rows) > limit else None
        answer = [(b"content-type", b"application/json"), (b"etag", etag)]
        if after is not None:
            link = f'</api/v1/books?limit={limit}&sort=-created_at&after={after}>; rel="next"'
            answer.append((b"link", link.encode()))
        await _answer(send, 200, answer, ENCODER.encode(BookList(books, after)))

    async def _add(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        sent = await receive()
        body = sent["body"]
        while sent.get("more_body"):
            sent = await receive()
            body += sent["body"]
        async with self.pool.acquire() as connection:
            owner = await _owner(connection, dict(scope["headers"]), "books:write")
            if owner is None:
                await _answer(send, 401, [])
                return
            try:
                book = DECODER.decode(body)
            except msgspec.MsgspecError:
                await _answer(send, 422, [])
                return
            now = datetime.now(UTC)
            values = (owner["id"], book.title, book.author, book.rating, now)
            added = Book(*await connection.fetchrow(ADD, *values))
        etag = b'"%d-%d-%d"' % (owner["id"], added.id, added.version)
        location = b"/api/v1/books/%d" % added.id
        answer = [(b"content-type", b"application/json"), (b"etag", etag), (b"location", location)]
        await _answer(send, 201, answer, ENCODER.encode(added))


DECODER = msgspec.json.Decoder(NewBook)


async def _owner(connection: Any, headers: dict[bytes, bytes], scope: str) -> Any:
    """Whose token it is, or None; also where it does not have the scope."""
    token = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
    hashed = hashlib.sha256(token).digest()
    owner = await connection.fetchrow(OWNER, hashed, datetime.now(UTC))
    return owner if owner is not None and scope in owner["scopes"].split() else None


async def _leave(_connection: Any) -> None:
    """Nothing to reset."""


def _cursor(book_id: int) -> str:
    packed = ENCODER.encode(("-created_at", book_id))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


async def _answer(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b""
) -> None:
    if status != 304:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create_app() -> App:
    """The application, on the database of `DATABASE_URL`."""
    return App(os.environ["DATABASE_URL"])
