"""The rules of access tokens: what programs sign in with in a person's name."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.exceptions import ConflictError, NotFoundError
from service.models import AccessToken, utc_now
from service.security.tokens import hash_token, new_access_token
from service.users import queries
from service.users.forms import SCOPES, TokenWish

MAX_TOKENS = 100  # of one person


class TokenNotFoundError(NotFoundError):
    """This person has no such token."""

    code = "TOKEN_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such token. It may have been revoked, or have expired.")


class TooManyTokensError(ConflictError):
    """This person has as many tokens as anybody may have."""

    code = "TOO_MANY_TOKENS"

    def __init__(self) -> None:
        super().__init__(f"There are {MAX_TOKENS} tokens already. Revoke one of them first.")


class NewToken(NamedTuple):
    """A token just made: the only moment in which its text is known."""

    text: str
    row: AccessToken


async def make_token(session: AsyncSession, owner: int, wish: TokenWish) -> NewToken:
    """Make a token. Raises TooManyTokensError."""
    now, text = utc_now(), new_access_token()
    if await queries.count_tokens(session, owner, now) >= MAX_TOKENS:
        raise TooManyTokensError
    row = AccessToken(
        token_hash=hash_token(text),
        user_id=owner,
        name=wish.name,
        scopes=" ".join(scope for scope in SCOPES if scope in wish.scopes),
        created_at=now,
        expires_at=now + timedelta(seconds=wish.expires_in),
    )
    session.add(row)
    await session.flush()
    return NewToken(text, row)


async def list_tokens(connection: AsyncConnection, owner: int) -> Sequence[queries.TokenRow]:
    """Somebody's tokens that can be used, newest first; as many as MAX_TOKENS at most."""
    return await queries.list_tokens(connection, owner, utc_now())


async def get_token(connection: AsyncConnection, owner: int, token_id: int) -> queries.TokenRow:
    """One token of this person. Raises TokenNotFoundError."""
    token = await queries.get_token(connection, owner, token_id, utc_now())
    if token is None:
        raise TokenNotFoundError
    return token


async def revoke_token(session: AsyncSession, owner: int, token_id: int) -> str:
    """End a token at once; returns its name. Raises TokenNotFoundError."""
    name = await queries.delete_token(session, owner, token_id, utc_now())
    if name is None:
        raise TokenNotFoundError
    return name
