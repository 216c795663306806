"""Statements about sessions."""

from datetime import datetime

from sqlalchemy import Row, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.models import Session, User

_SIGNED_IN = (
    select(Session.id.label("session_id"), User.id, User.email, User.registered_on)
    .join(User, User.id == Session.user_id)
    .where(Session.token_hash == bindparam("token_hash"), Session.expires_at > bindparam("now"))
)


async def get_signed_in(
    connection: AsyncConnection, token_hash: bytes, now: datetime
) -> Row[int, int, str, datetime] | None:
    """The session that has not expired, and whose it is: the one statement that authenticates."""
    result = await connection.execute(_SIGNED_IN, {"token_hash": token_hash, "now": now})
    return result.first()


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
