"""Requests that may be repeated: done once, and answered the same way again for a day.

Programs give a key of their own (`claim`, `keep`), and forms bring the one that stood in the page
(`keep_made`). The key is kept in the transaction of the work itself: both are there, or neither is.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    bindparam,
    func,
    literal_column,
    select,
    true,
    update,
)

from service.db.batches import DeleteBatch
from service.db.statements import Connection, Statement, scalar
from service.db.upserts import insert
from service.db.violations import VIOLATIONS, violates
from service.exceptions import (
    AccountDeletedError,
    ConflictError,
    FieldError,
    InvalidInputError,
    TryLaterError,
)
from service.models import DatabaseNow, IdempotencyKey

LIFETIME = timedelta(hours=24)
MAX_KEY_LENGTH = 255  # characters
COMPRESSED_ABOVE = 1024  # bytes; a single book has fewer, unless its title is long
# Kept with an answer that was compressed to be kept. The words are HTTP's, because a release that
# knows nothing of it may run beside this one, and gives what is kept just so.
_COMPRESSED = {"Content-Encoding": "gzip"}
_RUNNING = 0  # the status until there is an answer; nobody else sees it
_MADE = 201  # the status of a form's key
_has_expired = IdempotencyKey.created_at <= DatabaseNow(-LIFETIME)


def _claim(dialect: str) -> Executable:
    columns = IdempotencyKey.__table__.c
    values: dict[str, ColumnElement[Any]] = {
        "key": bindparam("key", type_=columns.key.type),
        "user_id": bindparam("owner", type_=columns.user_id.type),
        "request": bindparam("request", type_=columns.request.type),
        "status": literal_column(str(_RUNNING)),
        "headers": literal_column("''"),
        "body": bindparam("empty", b"", type_=columns.body.type),
        "created_at": DatabaseNow(),
    }
    # Without it, the second of two at once would wait for the first one's end. SQLite has one
    # writer at a time anyway.
    free: ColumnElement[bool] = true()
    if dialect == "postgresql":
        free = func.pg_try_advisory_xact_lock(bindparam("number", type_=BigInteger()))
    statement = insert(IdempotencyKey, dialect).from_select(
        list(values), select(*values.values()).where(free)
    )
    return statement.on_conflict_do_update(
        index_elements=[IdempotencyKey.key],
        set_={name: statement.excluded[name] for name in values},
        where=_has_expired,
    ).returning(IdempotencyKey.key)


def _keep_made(dialect: str) -> Executable:
    names = {"key": "key", "user_id": "owner", "request": "request", "body": "made"}
    statement = insert(IdempotencyKey, dialect).values(
        {column: bindparam(name) for column, name in names.items()}
        | {"created_at": DatabaseNow(), "status": _MADE, "headers": "{}"}
    )
    replaced = {name: statement.excluded[name] for name in (*names, "created_at", "status")}
    return statement.on_conflict_do_update(
        index_elements=[IdempotencyKey.key], set_=replaced, where=_has_expired
    ).returning(IdempotencyKey.key)


class _Stored(NamedTuple):
    request: bytes
    status: int
    headers: str
    body: bytes


_CLAIM = Statement(_claim, scalar)
_GET = Statement(
    select(
        IdempotencyKey.request, IdempotencyKey.status, IdempotencyKey.headers, IdempotencyKey.body
    ).where(IdempotencyKey.key == bindparam("key"), ~_has_expired),
    _Stored,
)
_KEEP_MADE = Statement(_keep_made, scalar)
_GET_MADE = Statement(
    select(IdempotencyKey.body).where(
        IdempotencyKey.key == bindparam("key"), IdempotencyKey.status == _MADE, ~_has_expired
    ),
    int,
)
_KEEP = Statement(
    update(IdempotencyKey)
    .where(IdempotencyKey.key == bindparam("claimed"))
    .values(
        status=bindparam("new_status"), headers=bindparam("new_headers"), body=bindparam("new_body")
    ),
    scalar,
)
# Answers that nobody may ask for any more.
delete_expired = DeleteBatch(IdempotencyKey, _has_expired, IdempotencyKey.created_at)


class StillRunningError(ConflictError, TryLaterError):
    """The first request with this key has no answer yet."""

    code = "STILL_RUNNING"
    public_description = "The first request with this key has no answer yet."

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


async def claim(connection: Connection, key: Key) -> StoredAnswer | None:
    """Take a key, for the rest of the transaction; or the answer that was given with it.

    Raises StillRunningError, InvalidInputError where it was taken by another request, and
    AccountDeletedError where its owner is gone.
    """
    given = {"key": key.key, "owner": key.owner, "request": key.request}
    if connection.dialect == "postgresql":
        given["number"] = int.from_bytes(key.key[:8], signed=True)
    try:
        taken = await _CLAIM.first(connection, **given)
    except VIOLATIONS as error:
        if violates(error, "idempotency_keys_user_id_fkey"):
            raise AccountDeletedError from error
        raise
    return None if taken is not None else await _stored(connection, key)


async def keep(connection: Connection, key: Key, answer: StoredAnswer) -> None:
    """Keep the answer of the request that has taken the key."""
    headers, body = answer.headers, answer.body
    if len(body) > COMPRESSED_ABOVE:
        # In a thread: 300 kB of titles at random take 40 ms. Level 1: above it they take longer
        # and become no shorter.
        body = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
        headers = {**headers, **_COMPRESSED}
    told = msgspec.json.encode(headers).decode()
    await _KEEP.all(
        connection, claimed=key.key, new_status=answer.status, new_headers=told, new_body=body
    )


async def keep_made(connection: Connection, key: Key, made: int) -> None:
    """Keep the id of the row that a form has just made, as the last statement of its transaction.

    Raises SentBeforeError where the form has made a row before; the transaction must then be rolled
    back. Of two at once, PostgreSQL lets the second wait here for the end of the first.
    """
    taken = await _KEEP_MADE.first(
        connection, key=key.key, owner=key.owner, request=key.request, made=b"%d" % made
    )
    if taken is None:
        before = await get_made(connection, key)
        if before is None:  # it expired between the two statements
            raise StillRunningError
        raise SentBeforeError(before)


async def get_made(connection: Connection, key: Key) -> int | None:
    """The id of the row that a form has made, or None."""
    return await _GET_MADE.first(connection, key=key.key)


async def _stored(connection: Connection, key: Key) -> StoredAnswer:
    stored = await _GET.first(connection, key=key.key)
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
