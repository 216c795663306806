"""Statements about accounts."""

from sqlalchemy import Row, bindparam, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.models import Session, User

_BY_EMAIL = (
    select(User.id, User.email, User.password_hashed)
    .where(User.email.in_((bindparam("typed"), bindparam("canonical"))))
    .order_by(case((User.email == bindparam("typed"), 0), else_=1))
    .limit(1)
)


async def get_user_by_email(
    connection: AsyncConnection, typed: str, canonical: str
) -> Row[int, str, str] | None:
    """The account of an address.

    As it was typed comes first: the Flask application could hold two accounts whose addresses
    have the same canonical form, and the younger one keeps the spelling that it was made with.
    """
    result = await connection.execute(_BY_EMAIL, {"typed": typed, "canonical": canonical})
    return result.first()


def add_user(session: AsyncSession, user: User) -> None:
    """Add an account."""
    session.add(user)


async def replace_password_hash(
    session: AsyncSession, user_id: int, before: str, after: str
) -> None:
    """Keep a new hash of the same password, unless the password was changed meanwhile."""
    await session.execute(
        update(User)
        .where(User.id == user_id, User.password_hashed == before)
        .values(password_hashed=after)
    )


async def set_password_hash(session: AsyncSession, user_id: int, password_hashed: str) -> None:
    """Replace the hash, whatever it was."""
    await session.execute(
        update(User).where(User.id == user_id).values(password_hashed=password_hashed)
    )


async def delete_sessions(session: AsyncSession, user_id: int) -> int:
    """Sign an account out everywhere; returns how many sessions that ended."""
    ended = delete(Session).where(Session.user_id == user_id).returning(Session.id)
    return len((await session.scalars(ended)).all())
