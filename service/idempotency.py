"""Idempotency keys: a repeated request is done once, and gets the first answer again for a day.

A program sends a key of its own (`claim`, `keep`). A form sends the key that the page gave it
(`keep_made`). The key is stored in the transaction of the work: the database has both or neither.
See decision 27.
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
from service.db.violations import violates
from service.exceptions import (
    AccountDeletedError,
    ConflictError,
    FieldError,
    InvalidInputError,
    TryLaterError,
)
from service.models import DatabaseNow, idempotency_keys_table

LIFETIME = timedelta(hours=24)
MAX_KEY_LENGTH = 255  # characters
COMPRESSED_ABOVE = 1024  # bytes; the answer with one book is mostly shorter
# Stored with an answer that was compressed for storage. It is a header of HTTP, because a release
# that does not decompress may run beside this one: it sends the stored answer as it is.
_COMPRESSED = {"Content-Encoding": "gzip"}
_RUNNING = 0  # the status until there is an answer; no other transaction sees it
_MADE = 201  # the status stored with the key of a form
_has_expired = idempotency_keys_table.c.created_at <= DatabaseNow(-LIFETIME)


def _claim(dialect: str) -> Executable:
    columns = idempotency_keys_table.c
    values: dict[str, ColumnElement[Any]] = {
        "key": bindparam("key", type_=columns.key.type),
        "user_id": bindparam("owner", type_=columns.user_id.type),
        "request": bindparam("request", type_=columns.request.type),
        "status": literal_column(str(_RUNNING)),
        "headers": literal_column("''"),
        "body": bindparam("empty", b"", type_=columns.body.type),
        "created_at": DatabaseNow(),
    }
    # PostgreSQL only: without this lock, the second of two requests with one key would wait until
    # the transaction of the first ends. SQLite has one writer at a time anyway.
    free: ColumnElement[bool] = true()
    if dialect == "postgresql":
        free = func.pg_try_advisory_xact_lock(bindparam("number", type_=BigInteger()))
    statement = insert(idempotency_keys_table, dialect).from_select(
        list(values), select(*values.values()).where(free)
    )
    return statement.on_conflict_do_update(
        index_elements=[idempotency_keys_table.c.key],
        set_={name: statement.excluded[name] for name in values},
        where=_has_expired,
    ).returning(idempotency_keys_table.c.key)


def _keep_made(dialect: str) -> Executable:
    names = {"key": "key", "user_id": "owner", "request": "request", "body": "made"}
    statement = insert(idempotency_keys_table, dialect).values(
        {column: bindparam(name) for column, name in names.items()}
        | {"created_at": DatabaseNow(), "status": _MADE, "headers": "{}"}
    )
    replaced = {name: statement.excluded[name] for name in (*names, "created_at", "status")}
    return statement.on_conflict_do_update(
        index_elements=[idempotency_keys_table.c.key], set_=replaced, where=_has_expired
    ).returning(idempotency_keys_table.c.key)


class _Stored(NamedTuple):
    request: bytes
    status: int
    headers: str
    body: bytes


_CLAIM = Statement(_claim, scalar)
_GET = Statement(
    select(
        idempotency_keys_table.c.request,
        idempotency_keys_table.c.status,
        idempotency_keys_table.c.headers,
        idempotency_keys_table.c.body,
    ).where(idempotency_keys_table.c.key == bindparam("key"), ~_has_expired),
    _Stored,
)
_KEEP_MADE = Statement(_keep_made, scalar)
_GET_MADE = Statement(
    select(idempotency_keys_table.c.body).where(
        idempotency_keys_table.c.key == bindparam("key"),
        idempotency_keys_table.c.status == _MADE,
        ~_has_expired,
    ),
    int,
)
_KEEP = Statement(
    update(idempotency_keys_table)
    .where(idempotency_keys_table.c.key == bindparam("claimed"))
    .values(
        status=bindparam("new_status"), headers=bindparam("new_headers"), body=bindparam("new_body")
    ),
    scalar,
)
# Run in the background: deletes the keys that are older than LIFETIME.
delete_expired = DeleteBatch(
    idempotency_keys_table, _has_expired, idempotency_keys_table.c.created_at
)


class StillRunningError(ConflictError, TryLaterError):
    """The first request with this key has not ended."""

    code = "STILL_RUNNING"
    public_description = "The first request with this key has no answer yet."

    def __init__(self) -> None:
        TryLaterError.__init__(self, "The first request with this key is still running.", 0)


class SentBeforeError(Exception):
    """The form was sent before, and made the row with the id `made`.

    No refusal, so it has no code. Pages turn it into an ordinary answer.
    """

    def __init__(self, made: int) -> None:
        super().__init__("This form was sent before.")
        self.made = made


class StoredAnswer(NamedTuple):
    """The answer to the first request with a key."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Key(NamedTuple):
    """A key of one owner.

    `key` is the primary key of the row, `request` the digest of the request that it stands for.
    """

    owner: int
    key: bytes
    request: bytes

    @classmethod
    def of(cls, owner: int, text: str, *request: bytes) -> "Key":
        """Return the key that a program sent as `text`, for a request with these parts.

        Raises InvalidInputError unless the text is 1 to MAX_KEY_LENGTH printable ASCII characters.
        """
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
        """Return the key of a form with this content. Another content is another key.

        A program cannot send the same key, because `of` refuses NUL.
        """
        parts = (hashlib.sha256(part).digest() for part in (key.encode(), *content))
        request = hashlib.sha256(b"".join(parts)).digest()
        return cls(owner, hashlib.sha256(f"{owner}\0form\0".encode() + request).digest(), request)


async def claim(connection: Connection, key: Key) -> StoredAnswer | None:
    """Take a key until the transaction ends and return None, or return the answer stored with it.

    Raises StillRunningError if the first request has not ended, InvalidInputError if the key was
    used for another request, and AccountDeletedError if the owner is gone.
    """
    given = {"key": key.key, "owner": key.owner, "request": key.request}
    if connection.dialect == "postgresql":
        given["number"] = int.from_bytes(key.key[:8], signed=True)
    try:
        taken = await _CLAIM.first(connection, **given)
    except Exception as error:
        if violates(error, "idempotency_keys_user_id_fkey"):
            raise AccountDeletedError from error
        raise
    return None if taken is not None else await _get_answer(connection, key)


async def keep(connection: Connection, key: Key, answer: StoredAnswer) -> None:
    """Store the answer of the request that has claimed the key."""
    headers, body = answer.headers, answer.body
    if len(body) > COMPRESSED_ABOVE:
        # In a thread: 300 kB of random titles take 40 ms. Level 1: higher levels take longer and
        # make them no shorter.
        body = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
        headers = {**headers, **_COMPRESSED}
    stored = msgspec.json.encode(headers).decode()
    await _KEEP.all(
        connection, claimed=key.key, new_status=answer.status, new_headers=stored, new_body=body
    )


async def keep_made(connection: Connection, key: Key, made: int) -> None:
    """Store the id of the row that a form has just made, as the last statement of its transaction.

    Raises SentBeforeError if the form has made a row before. Then the transaction must be rolled
    back. On PostgreSQL, the second of two transactions with one key waits here for the first.
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
    """Return the id of the row that a form has made, or None."""
    return await _GET_MADE.first(connection, key=key.key)


async def _get_answer(connection: Connection, key: Key) -> StoredAnswer:
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
