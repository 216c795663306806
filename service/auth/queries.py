"""Statements about who is signed in, by a session or by a token."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Float, bindparam, delete, insert, or_, select, update

from service.db.batches import DeleteBatch
from service.db.statements import Connection, Statement, scalar
from service.models import AccessToken, DatabaseNow, Session, User


class SignedInUser(NamedTuple):
    """The person whose request this is."""

    id: int
    email: str
    registered_on: datetime
    books_revision: int
    session_id: int | None = None


class TokenOwner(NamedTuple):
    """The person whose token a program sent, and what the token is good for."""

    id: int
    email: str
    registered_on: datetime
    books_revision: int
    token_id: int
    scopes: str
    use_is_due: bool  # whether this use is to be noted


USE_NOTED_EVERY = timedelta(minutes=1)
_use_is_due = or_(
    AccessToken.last_used_at.is_(None), AccessToken.last_used_at <= DatabaseNow(-USE_NOTED_EVERY)
)
_PERSON = (User.id, User.email, User.registered_on, User.books_revision)
_SIGNED_IN = Statement(
    select(*_PERSON, Session.id)
    .join(Session, Session.user_id == User.id)
    .where(Session.token_hash == bindparam("token_hash"), Session.expires_at > DatabaseNow()),
    SignedInUser,
)
_TOKEN_OWNER = Statement(
    select(*_PERSON, AccessToken.id, AccessToken.scopes, _use_is_due)
    .join(AccessToken, AccessToken.user_id == User.id)
    .where(
        AccessToken.token_hash == bindparam("token_hash"), AccessToken.expires_at > DatabaseNow()
    ),
    TokenOwner,
)


_NOTE_USE = Statement(
    update(AccessToken)
    .where(AccessToken.id == bindparam("token_id"), _use_is_due)
    .values(last_used_at=DatabaseNow()),
    scalar,
)
_ADD_SESSION = Statement(
    insert(Session).values(
        token_hash=bindparam("token_hash"),
        user_id=bindparam("owner"),
        created_at=DatabaseNow(),
        expires_at=DatabaseNow(bindparam("lifetime", type_=Float())),
    ),
    scalar,
)
_DELETE_OLDEST_SESSIONS = Statement(
    delete(Session).where(
        Session.user_id == bindparam("owner"),
        Session.id
        <= select(Session.id)
        .where(Session.user_id == bindparam("owner"))
        .order_by(Session.id.desc())
        .offset(bindparam("kept"))
        .limit(1)
        .scalar_subquery(),
    ),
    scalar,
)
_REPLACE_TOKEN_HASH = Statement(
    update(Session)
    .where(Session.id == bindparam("session_id"), Session.user_id == bindparam("owner"))
    .values(token_hash=bindparam("new_token_hash"))
    .returning(Session.created_at, Session.expires_at),
    lambda created_at, expires_at: (created_at, expires_at),
)
_DELETE_SESSION = Statement(
    delete(Session).where(Session.token_hash == bindparam("token_hash")), scalar
)

delete_expired_sessions = DeleteBatch(
    Session, Session.expires_at <= DatabaseNow(), Session.expires_at
)
delete_expired_tokens = DeleteBatch(
    AccessToken, AccessToken.expires_at <= DatabaseNow(), AccessToken.expires_at
)


async def get_signed_in(connection: Connection, token_hash: bytes) -> SignedInUser | None:
    """Whose session it is, unless it has expired: the one statement that authenticates."""
    return await _SIGNED_IN.first(connection, token_hash=token_hash)


async def get_token_owner(connection: Connection, token_hash: bytes) -> TokenOwner | None:
    """Whose token it is, unless it has expired: the one statement that authenticates."""
    return await _TOKEN_OWNER.first(connection, token_hash=token_hash)


async def note_use(connection: Connection, token_id: int) -> None:
    """Keep when a token was used, unless that was done within USE_NOTED_EVERY."""
    await _NOTE_USE.all(connection, token_id=token_id)


async def add_session(
    connection: Connection, token_hash: bytes, user_id: int, lifetime: timedelta
) -> None:
    """Keep a session that ends after `lifetime`."""
    seconds = lifetime.total_seconds()
    await _ADD_SESSION.all(connection, token_hash=token_hash, owner=user_id, lifetime=seconds)


async def delete_oldest_sessions(connection: Connection, user_id: int, kept: int) -> None:
    """End those of this person's sessions that are older than the newest `kept`."""
    await _DELETE_OLDEST_SESSIONS.all(connection, owner=user_id, kept=kept)


async def replace_token_hash(
    connection: Connection, user_id: int, session_id: int, token_hash: bytes
) -> tuple[datetime, datetime] | None:
    """Give a session another token; returns when it began and when it ends, or None."""
    return await _REPLACE_TOKEN_HASH.first(
        connection, owner=user_id, session_id=session_id, new_token_hash=token_hash
    )


async def delete_session(connection: Connection, token_hash: bytes) -> None:
    """End one session."""
    await _DELETE_SESSION.all(connection, token_hash=token_hash)
