"""Statements about who is signed in, by a session or by a token."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.db.reads import Read, Readable
from service.models import AccessToken, DatabaseNow, Session, User
from service.models.batches import BATCH, delete_batch


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
_SIGNED_IN = Read(
    select(*_PERSON, Session.id)
    .join(Session, Session.user_id == User.id)
    .where(Session.token_hash == bindparam("token_hash"), Session.expires_at > DatabaseNow()),
    SignedInUser,
)
_TOKEN_OWNER = Read(
    select(*_PERSON, AccessToken.id, AccessToken.scopes, _use_is_due)
    .join(AccessToken, AccessToken.user_id == User.id)
    .where(
        AccessToken.token_hash == bindparam("token_hash"), AccessToken.expires_at > DatabaseNow()
    ),
    TokenOwner,
)


async def get_signed_in(connection: AsyncConnection, token_hash: bytes) -> SignedInUser | None:
    """Whose session it is, unless it has expired: the one statement that authenticates."""
    return await _SIGNED_IN.first(connection, token_hash=token_hash)


async def get_token_owner(connection: Readable, token_hash: bytes) -> TokenOwner | None:
    """Whose token it is, unless it has expired: the one statement that authenticates."""
    return await _TOKEN_OWNER.first(connection, token_hash=token_hash)


async def note_use(connection: AsyncConnection, token_id: int) -> None:
    """Keep when a token was used, unless that was done within USE_NOTED_EVERY."""
    await connection.execute(
        update(AccessToken)
        .where(AccessToken.id == token_id, _use_is_due)
        .values(last_used_at=DatabaseNow())
    )


async def add_session(
    session: AsyncSession, token_hash: bytes, user_id: int, lifetime: timedelta
) -> None:
    """Keep a session that ends after `lifetime`."""
    await session.execute(
        insert(Session).values(
            token_hash=token_hash,
            user_id=user_id,
            created_at=DatabaseNow(),
            expires_at=DatabaseNow(lifetime),
        )
    )


async def delete_oldest_sessions(session: AsyncSession, user_id: int, kept: int) -> None:
    """End those of this person's sessions that are older than the newest `kept`."""
    newest_to_end = (
        select(Session.id)
        .where(Session.user_id == user_id)
        .order_by(Session.id.desc())
        .offset(kept)
        .limit(1)
        .scalar_subquery()
    )
    await session.execute(
        delete(Session).where(Session.user_id == user_id, Session.id <= newest_to_end)
    )


async def replace_token_hash(
    session: AsyncSession, user_id: int, session_id: int, token_hash: bytes
) -> tuple[datetime, datetime] | None:
    """Give a session another token; returns when it began and when it ends, or None."""
    result = await session.execute(
        update(Session)
        .where(Session.id == session_id, Session.user_id == user_id)
        .values(token_hash=token_hash)
        .returning(Session.created_at, Session.expires_at)
    )
    row = result.one_or_none()
    return None if row is None else (row.created_at, row.expires_at)


async def delete_session(session: AsyncSession, token_hash: bytes) -> None:
    """End one session."""
    await session.execute(delete(Session).where(Session.token_hash == token_hash))


async def delete_expired_sessions(connection: AsyncConnection, size: int = BATCH) -> int:
    """Remove a batch of the sessions that nobody can use any more; returns their number."""
    expired = Session.expires_at <= DatabaseNow()
    return await delete_batch(connection, Session, expired, Session.expires_at, size)


async def delete_expired_tokens(connection: AsyncConnection, size: int = BATCH) -> int:
    """Remove a batch of the tokens that nobody can use any more; returns their number."""
    expired = AccessToken.expires_at <= DatabaseNow()
    return await delete_batch(connection, AccessToken, expired, AccessToken.expires_at, size)
