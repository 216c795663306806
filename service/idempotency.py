"""Requests that a program may repeat: done once, and answered the same way again for a day.

The key is kept in the transaction of the work itself: both are there, or neither is.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, func, literal, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.exceptions import (
    ConflictError,
    FieldError,
    InvalidInputError,
    NotAuthenticatedError,
    TryLaterError,
)
from service.models import DatabaseNow, IdempotencyKey
from service.models.batches import BATCH, delete_batch
from service.models.inserts import insert
from service.violations import violates

LIFETIME = timedelta(hours=24)
MAX_KEY_LENGTH = 255  # characters
COMPRESSED_ABOVE = 1024  # bytes; a single book has fewer, unless its title is long
# Kept with an answer that was compressed to be kept. The words are HTTP's, because a release that
# knows nothing of it may run beside this one, and gives what is kept just so.
_COMPRESSED = {"Content-Encoding": "gzip"}
_RUNNING = 0  # the status until there is an answer; nobody else sees it
_has_expired = IdempotencyKey.created_at <= DatabaseNow(-LIFETIME)


class StillRunningError(ConflictError, TryLaterError):
    """The first request with this key has no answer yet."""

    code = "STILL_RUNNING"

    def __init__(self) -> None:
        TryLaterError.__init__(self, "The first request with this key is still running.", 0)


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


async def delete_expired(connection: AsyncConnection, size: int = BATCH) -> int:
    """Remove a batch of the answers that nobody may ask for any more; returns their number."""
    return await delete_batch(
        connection, IdempotencyKey, _has_expired, IdempotencyKey.created_at, size
    )


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
