"""Statements about accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Float, bindparam, case, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.models import AccessToken, DatabaseNow, LegacyBook, Session, User


class Account(NamedTuple):
    """An account, and what its password is checked against."""

    id: int
    email: str
    password_hashed: str


_BY_EMAIL = (
    select(User.id, User.email, User.password_hashed)
    .where(User.email.in_((bindparam("typed"), bindparam("canonical"))))
    .order_by(case((User.email == bindparam("typed"), 0), else_=1))
    .limit(1)
)


async def get_user_by_email(
    connection: AsyncConnection, typed: str, canonical: str
) -> Account | None:
    """The account of an address.

    As it was typed comes first: the Flask application could hold two accounts whose addresses
    have the same canonical form, and the younger one keeps the spelling that it was made with.
    """
    result = await connection.execute(_BY_EMAIL, {"typed": typed, "canonical": canonical})
    row = result.first()
    return None if row is None else Account(*row)


async def get_hash_to_change(session: AsyncSession, user_id: int, *, whole: bool) -> str | None:
    """The hash of an account's password, which stays what it is until the transaction ends.

    None where the account is gone. With `whole` nobody refers to the account meanwhile either,
    which is needed to change its address: to ask for that later is a deadlock.
    """
    query = select(User.password_hashed).where(User.id == user_id)
    return await session.scalar(query.with_for_update(key_share=not whole))


def add_user(session: AsyncSession, user: User) -> None:
    """Add an account."""
    session.add(user)


async def set_password_hash(session: AsyncSession, user_id: int, password_hashed: str) -> None:
    """Replace the hash, whatever it was."""
    await session.execute(
        update(User).where(User.id == user_id).values(password_hashed=password_hashed)
    )


async def delete_sessions(session: AsyncSession, user_id: int, kept: int | None = None) -> int:
    """Sign an account out everywhere, or but in one session; returns how many that ended."""
    ended = delete(Session).where(Session.user_id == user_id).returning(Session.id)
    if kept is not None:
        ended = ended.where(Session.id != kept)
    return len((await session.scalars(ended)).all())


class SessionRow(NamedTuple):
    """A browser that is signed in, as its owner sees it."""

    id: int
    created_at: datetime
    expires_at: datetime


async def list_sessions(
    connection: AsyncConnection, user_id: int, count: int
) -> Sequence[SessionRow]:
    """The newest sessions that have not expired."""
    result = await connection.execute(
        select(Session.id, Session.created_at, Session.expires_at)
        .where(Session.user_id == user_id, Session.expires_at > DatabaseNow())
        .order_by(Session.id.desc())
        .limit(count)
    )
    return [SessionRow(*row) for row in result]


async def end_session(session: AsyncSession, user_id: int, session_id: int) -> bool:
    """End one session of this person; False where there is none."""
    result = await session.execute(
        delete(Session)
        .where(Session.id == session_id, Session.user_id == user_id)
        .returning(Session.id)
    )
    return result.first() is not None


class TokenRow(NamedTuple):
    """An access token as its owner sees it."""

    id: int
    name: str
    scopes: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


_TOKEN = (
    AccessToken.id,
    AccessToken.name,
    AccessToken.scopes,
    AccessToken.created_at,
    AccessToken.expires_at,
    AccessToken.last_used_at,
)


async def count_tokens(session: AsyncSession, user_id: int) -> int:
    """How many tokens of this person can be used."""
    usable = (AccessToken.user_id == user_id, AccessToken.expires_at > DatabaseNow())
    return await session.scalar(select(func.count(AccessToken.id)).where(*usable)) or 0


async def add_token(
    session: AsyncSession,
    user_id: int,
    token_hash: bytes,
    *,
    name: str,
    scopes: str,
    lifetime: int,
) -> TokenRow:
    """Keep a token that ends after `lifetime` seconds."""
    values = {"user_id": user_id, "token_hash": token_hash, "name": name, "scopes": scopes}
    times = {"created_at": DatabaseNow(), "expires_at": DatabaseNow(literal(lifetime, Float()))}
    result = await session.execute(insert(AccessToken).values(**values, **times).returning(*_TOKEN))
    return TokenRow(*result.one())


async def list_tokens(connection: AsyncConnection, user_id: int) -> Sequence[TokenRow]:
    """The tokens of this person that can be used, newest first; their number is bounded."""
    result = await connection.execute(
        select(*_TOKEN)
        .where(AccessToken.user_id == user_id, AccessToken.expires_at > DatabaseNow())
        .order_by(AccessToken.id.desc())
        .limit(1000)
    )
    return [TokenRow(*row) for row in result]


async def get_token(connection: AsyncConnection, user_id: int, token_id: int) -> TokenRow | None:
    """A token of this person that can be used, or None."""
    result = await connection.execute(
        select(*_TOKEN).where(
            AccessToken.id == token_id,
            AccessToken.user_id == user_id,
            AccessToken.expires_at > DatabaseNow(),
        )
    )
    row = result.first()
    return None if row is None else TokenRow(*row)


async def delete_token(session: AsyncSession, user_id: int, token_id: int) -> str | None:
    """End a token of this person; returns its name, or None where there is none."""
    return await session.scalar(
        delete(AccessToken)
        .where(
            AccessToken.id == token_id,
            AccessToken.user_id == user_id,
            AccessToken.expires_at > DatabaseNow(),
        )
        .returning(AccessToken.name)
    )


async def delete_tokens(session: AsyncSession, user_id: int) -> None:
    """End every token of this person."""
    await session.execute(delete(AccessToken).where(AccessToken.user_id == user_id))


async def set_email(session: AsyncSession, user_id: int, email: str) -> None:
    """Give an account another address; the unique index decides whether it is free."""
    await session.execute(update(User).where(User.id == user_id).values(email=email))


async def delete_user(session: AsyncSession, user_id: int) -> None:
    """Delete an account with all that belongs to it."""
    # Nothing refers to these rows and they refer to nothing: no cascade reaches them.
    await session.execute(delete(LegacyBook).where(LegacyBook.user_id == user_id))
    await session.execute(delete(User).where(User.id == user_id))
