"""Statements that authenticate a session or an access token, and statements about sessions."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Float, bindparam, delete, insert, or_, select, update

from service.db.batches import DeleteBatch
from service.db.statements import Connection, Statement, scalar
from service.models import DatabaseNow, access_tokens_table, sessions_table, users_table


class SignedInUser(NamedTuple):
    """The person who is signed in, with the id of the session."""

    id: int
    email: str
    registered_on: datetime
    books_revision: int
    session_id: int | None = None


class TokenOwner(NamedTuple):
    """The person whose access token a program sent, with the token's id and scopes."""

    id: int
    email: str
    registered_on: datetime
    books_revision: int
    token_id: int
    scopes: str
    use_is_due: bool  # the last use in the database is older than USE_NOTED_EVERY


# `last_used_at` is written once in this time: else each request would be a write.
USE_NOTED_EVERY = timedelta(minutes=1)
_use_is_due = or_(
    access_tokens_table.c.last_used_at.is_(None),
    access_tokens_table.c.last_used_at <= DatabaseNow(-USE_NOTED_EVERY),
)
_PERSON = (
    users_table.c.id,
    users_table.c.email,
    users_table.c.registered_on,
    users_table.c.books_revision,
)
_SIGNED_IN = Statement(
    select(*_PERSON, sessions_table.c.id)
    .join(sessions_table, sessions_table.c.user_id == users_table.c.id)
    .where(
        sessions_table.c.token_hash == bindparam("token_hash"),
        sessions_table.c.expires_at > DatabaseNow(),
    ),
    SignedInUser,
)
_TOKEN_OWNER = Statement(
    select(*_PERSON, access_tokens_table.c.id, access_tokens_table.c.scopes, _use_is_due)
    .join(access_tokens_table, access_tokens_table.c.user_id == users_table.c.id)
    .where(
        access_tokens_table.c.token_hash == bindparam("token_hash"),
        access_tokens_table.c.expires_at > DatabaseNow(),
    ),
    TokenOwner,
)


_NOTE_USE = Statement(
    update(access_tokens_table)
    .where(access_tokens_table.c.id == bindparam("token_id"), _use_is_due)
    .values(last_used_at=DatabaseNow()),
    scalar,
)
_ADD_SESSION = Statement(
    insert(sessions_table).values(
        token_hash=bindparam("token_hash"),
        user_id=bindparam("owner"),
        created_at=DatabaseNow(),
        expires_at=DatabaseNow(bindparam("lifetime", type_=Float())),
    ),
    scalar,
)
_DELETE_OLDEST_SESSIONS = Statement(
    delete(sessions_table).where(
        sessions_table.c.user_id == bindparam("owner"),
        sessions_table.c.id
        <= select(sessions_table.c.id)
        .where(sessions_table.c.user_id == bindparam("owner"))
        .order_by(sessions_table.c.id.desc())
        .offset(bindparam("kept"))
        .limit(1)
        .scalar_subquery(),
    ),
    scalar,
)
_REPLACE_TOKEN_HASH = Statement(
    update(sessions_table)
    .where(
        sessions_table.c.id == bindparam("session_id"),
        sessions_table.c.user_id == bindparam("owner"),
    )
    .values(token_hash=bindparam("new_token_hash"))
    .returning(sessions_table.c.created_at, sessions_table.c.expires_at),
    lambda created_at, expires_at: (created_at, expires_at),
)
_DELETE_SESSION = Statement(
    delete(sessions_table).where(sessions_table.c.token_hash == bindparam("token_hash")), scalar
)

delete_expired_sessions = DeleteBatch(
    sessions_table, sessions_table.c.expires_at <= DatabaseNow(), sessions_table.c.expires_at
)
delete_expired_tokens = DeleteBatch(
    access_tokens_table,
    access_tokens_table.c.expires_at <= DatabaseNow(),
    access_tokens_table.c.expires_at,
)


async def get_signed_in(connection: Connection, token_hash: bytes) -> SignedInUser | None:
    """Return the person of a session, or None if there is none or it has expired."""
    return await _SIGNED_IN.first(connection, token_hash=token_hash)


async def get_token_owner(connection: Connection, token_hash: bytes) -> TokenOwner | None:
    """Return the person of an access token, or None if there is none or it has expired."""
    return await _TOKEN_OWNER.first(connection, token_hash=token_hash)


async def note_use(connection: Connection, token_id: int) -> None:
    """Set `last_used_at` of a token to now, unless it is newer than USE_NOTED_EVERY."""
    await _NOTE_USE.all(connection, token_id=token_id)


async def add_session(
    connection: Connection, token_hash: bytes, user_id: int, lifetime: timedelta
) -> None:
    """Add a session that expires after `lifetime`."""
    seconds = lifetime.total_seconds()
    await _ADD_SESSION.all(connection, token_hash=token_hash, owner=user_id, lifetime=seconds)


async def delete_oldest_sessions(connection: Connection, user_id: int, kept: int) -> None:
    """Delete this person's sessions except the newest `kept`."""
    await _DELETE_OLDEST_SESSIONS.all(connection, owner=user_id, kept=kept)


async def replace_token_hash(
    connection: Connection, user_id: int, session_id: int, token_hash: bytes
) -> tuple[datetime, datetime] | None:
    """Give a session another token. Return its start and its end, or None if it is gone."""
    return await _REPLACE_TOKEN_HASH.first(
        connection, owner=user_id, session_id=session_id, new_token_hash=token_hash
    )


async def delete_session(connection: Connection, token_hash: bytes) -> None:
    """Delete one session."""
    await _DELETE_SESSION.all(connection, token_hash=token_hash)
