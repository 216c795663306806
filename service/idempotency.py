"""Requests that may be repeated: done once, and answered the same way again for a day.

Programs give a key of their own (`claim`, `keep`), and forms bring the one that stood in the page
(`keep_made`). The key is kept in the transaction of the work itself: both are there, or neither is.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, bindparam, func, literal, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.db.upserts import insert
from service.db.violations import violates
from service.exceptions import (
    ConflictError,
    FieldError,
    InvalidInputError,
    NotAuthenticatedError,
    TryLaterError,
)
from service.models import DatabaseNow, IdempotencyKey
from service.models.batches import BATCH, delete_batch

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

LIFETIME = timedelta(hours=24)
MAX_KEY_LENGTH = 255  # characters
COMPRESSED_ABOVE = 1024  # bytes; a single book has fewer, unless its title is long
# Kept with an answer that was compressed to be kept. The words are HTTP's, because a release that
# knows nothing of it may run beside this one, and gives what is kept just so.
_COMPRESSED = {"Content-Encoding": "gzip"}
_RUNNING = 0  # the status until there is an answer; nobody else sees it
_MADE = 201  # the status of a form's key
_has_expired = IdempotencyKey.created_at <= DatabaseNow(-LIFETIME)


class StillRunningError(ConflictError, TryLaterError):
    """The first request with this key has no answer yet."""

    code = "STILL_RUNNING"

    def __init__(self) -> None:
        TryLaterError.__init__(self, "The first request with this key is still running.", 0)


class SentBeforeError(Exception):
    """The form was sent before, and has made the row with the id `made`.

    For pages, which answer with the ordinary result. No refusal, so it has no code.
    """

    def __init__(self, made: int) -> None:
        super().__init__("This form was sent before.")
        self.made = made


class StoredAnswer(NamedTuple):
    """What was answered to the first request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Key(NamedTuple):
    """One person's key for one request."""

    owner: int
    key: bytes
    request: bytes

    @classmethod
    def of(cls, owner: int, text: str, *request: bytes) -> "Key":
        """The key that a program gave. Raises InvalidInputError unless it is printable ASCII."""
        if not 1 <= len(text) <= MAX_KEY_LENGTH or not (text.isascii() and text.isprintable()):
            message = f"Send 1 to {MAX_KEY_LENGTH} printable ASCII characters."
            raise InvalidInputError(FieldError("Idempotency-Key", message, "invalid"))
        parts = b"".join(hashlib.sha256(part).digest() for part in request)
        return cls(
            owner,
            hashlib.sha256(f"{owner}\0{text}".encode()).digest(),
            hashlib.sha256(parts).digest(),
        )

    @classmethod
    def of_form(cls, owner: int, key: str, *content: bytes) -> "Key":
        """The key of a form with this content. With another content it is another key.

        It is none that a program can give: `of` takes no NUL.
        """
        parts = (hashlib.sha256(part).digest() for part in (key.encode(), *content))
        request = hashlib.sha256(b"".join(parts)).digest()
        return cls(owner, hashlib.sha256(f"{owner}\0form\0".encode() + request).digest(), request)


async def claim(session: AsyncSession, key: Key) -> StoredAnswer | None:
    """Take a key, for the rest of the transaction; or the answer that was given with it.

    Raises StillRunningError, InvalidInputError where it was taken by another request, and
    NotAuthenticatedError where its owner is gone.
    """
    values = {
        "key": key.key,
        "user_id": key.owner,
        "request": key.request,
        "status": _RUNNING,
        "headers": "",
        "body": b"",
    }
    dialect = (await session.connection()).dialect.name
    # Without it, the second of two at once would wait for the first one's end. SQLite has one
    # writer at a time anyway.
    free: ColumnElement[bool] = true()
    if dialect == "postgresql":
        number = int.from_bytes(key.key[:8], signed=True)
        free = func.pg_try_advisory_xact_lock(number)
    columns = IdempotencyKey.__table__.c
    names = [*values, "created_at"]
    row = select(
        *(literal(value, columns[name].type) for name, value in values.items()), DatabaseNow()
    )
    statement = insert(IdempotencyKey, dialect).from_select(names, row.where(free))
    statement = statement.on_conflict_do_update(
        index_elements=[IdempotencyKey.key],
        set_={name: statement.excluded[name] for name in names},
        where=_has_expired,
    )
    try:
        taken = await session.scalar(statement.returning(IdempotencyKey.key))
    except IntegrityError as error:
        if violates(error, "idempotency_keys_user_id_fkey"):
            raise NotAuthenticatedError("This account was deleted.") from error
        raise
    return None if taken is not None else await _stored(session, key)


async def keep(session: AsyncSession, key: Key, answer: StoredAnswer) -> None:
    """Keep the answer of the request that has taken the key."""
    headers, body = answer.headers, answer.body
    if len(body) > COMPRESSED_ABOVE:
        # In a thread: 300 kB of titles at random take 40 ms. Level 1: above it they take longer
        # and become no shorter.
        body = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
        headers = {**headers, **_COMPRESSED}
    await session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.key == key.key)
        .values(status=answer.status, headers=msgspec.json.encode(headers).decode(), body=body)
    )


async def keep_made(session: AsyncSession, key: Key, made: int) -> None:
    """Keep the id of the row that a form has just made, as the last statement of its transaction.

    Raises SentBeforeError where the form has made a row before; the transaction must then be rolled
    back. Of two at once, PostgreSQL lets the second wait here for the end of the first.
    """
    connection = await session.connection()
    values = {"key": key.key, "user_id": key.owner, "request": key.request, "body": b"%d" % made}
    taken = await connection.scalar(_insert_made(connection.dialect.name), values)
    if taken is None:
        before = await get_made(connection, key)
        if before is None:  # it expired between the two statements
            raise StillRunningError
        raise SentBeforeError(before)


async def get_made(connection: AsyncConnection, key: Key) -> int | None:
    """The id of the row that a form has made, or None."""
    found = await connection.scalar(
        select(IdempotencyKey.body).where(
            IdempotencyKey.key == key.key, IdempotencyKey.status == _MADE, ~_has_expired
        )
    )
    return None if found is None else int(found)


async def delete_expired(connection: AsyncConnection, size: int = BATCH) -> int:
    """Remove a batch of the answers that nobody may ask for any more; returns their number."""
    return await delete_batch(
        connection, IdempotencyKey, _has_expired, IdempotencyKey.created_at, size
    )


@cache
def _insert_made(dialect: str) -> "postgresql.Insert | sqlite.Insert":
    """Built once for each dialect: building it takes longer than running it."""
    names = ("key", "user_id", "request", "body")
    statement = insert(IdempotencyKey, dialect).values(
        {name: bindparam(name) for name in names}
        | {"created_at": DatabaseNow(), "status": _MADE, "headers": "{}"}
    )
    replaced = {name: statement.excluded[name] for name in (*names, "created_at", "status")}
    return statement.on_conflict_do_update(
        index_elements=[IdempotencyKey.key], set_=replaced, where=_has_expired
    ).returning(IdempotencyKey.key)  # type: ignore[return-value]


async def _stored(session: AsyncSession, key: Key) -> StoredAnswer:
    stored = (
        await session.execute(
            select(
                IdempotencyKey.request,
                IdempotencyKey.status,
                IdempotencyKey.headers,
                IdempotencyKey.body,
            ).where(IdempotencyKey.key == key.key, ~_has_expired)
        )
    ).one_or_none()
    if stored is None:
        raise StillRunningError
    if stored.request != key.request:
        message = "This key was used for another request. Use a new one."
        raise InvalidInputError(FieldError("Idempotency-Key", message, "reused"))
    headers, body = msgspec.json.decode(stored.headers, type=dict[str, str]), stored.body
    if headers.items() >= _COMPRESSED.items():
        headers = {name: value for name, value in headers.items() if name not in _COMPRESSED}
        body = await asyncio.to_thread(gzip.decompress, body)
    return StoredAnswer(stored.status, headers, body)
