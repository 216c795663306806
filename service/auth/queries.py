"""Statements about sessions."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.models import Session, User
from service.statements import Read


class SignedInUser(NamedTuple):
    """The person whose request this is."""

    id: int
    email: str
    registered_on: datetime


_SIGNED_IN = Read(
    select(User.id, User.email, User.registered_on)
    .join(Session, Session.user_id == User.id)
    .where(Session.token_hash == bindparam("token_hash"), Session.expires_at > bindparam("now")),
    SignedInUser,
)


async def get_signed_in(
    connection: AsyncConnection, token_hash: bytes, now: datetime
) -> SignedInUser | None:
    """Whose session it is, unless it has expired: the one statement that authenticates."""
    return await _SIGNED_IN.first(connection, token_hash=token_hash, now=now)


async def add_session(
    session: AsyncSession, token_hash: bytes, user_id: int, now: datetime, expires_at: datetime
) -> None:
    """Keep a session."""
    await session.execute(
        insert(Session).values(
            token_hash=token_hash, user_id=user_id, created_at=now, expires_at=expires_at
        )
    )


async def delete_session(session: AsyncSession, token_hash: bytes) -> None:
    """End one session."""
    await session.execute(delete(Session).where(Session.token_hash == token_hash))


async def delete_expired(connection: AsyncConnection, now: datetime) -> None:
    """Remove the sessions that nobody can use any more."""
    await connection.execute(delete(Session).where(Session.expires_at <= now))
