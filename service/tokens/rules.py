"""The rules of access tokens, with which programs sign in for a person."""

from collections.abc import Sequence
from typing import NamedTuple

from service.db.statements import Connection
from service.security.tokens import hash_token, new_access_token
from service.tokens.exceptions import TokenNotFoundError, TooManyTokensError
from service.users import queries
from service.users.forms import SCOPES, TokenWish
from service.users.queries import TokenRow

MAX_TOKENS = 100  # of one owner


class NewToken(NamedTuple):
    """A new token with its text, which is not stored: only the database row has its hash."""

    text: str
    row: TokenRow


async def make_token(connection: Connection, owner: int, wish: TokenWish) -> NewToken:
    """Make a token. Raises TooManyTokensError.

    `users.password_verification` has locked the account, so two calls cannot exceed MAX_TOKENS.
    """
    if await queries.count_tokens(connection, owner) >= MAX_TOKENS:
        raise TooManyTokensError(MAX_TOKENS)
    text = new_access_token()
    row = await queries.add_token(
        connection,
        owner,
        hash_token(text),
        name=wish.name,
        scopes=" ".join(scope for scope in SCOPES if scope in wish.scopes),
        lifetime=wish.expires_in,
    )
    return NewToken(text, row)


async def list_tokens(connection: Connection, owner: int) -> Sequence[TokenRow]:
    """Return the owner's tokens that have not expired, newest first."""
    return await queries.list_tokens(connection, owner)


async def get_token(connection: Connection, owner: int, token_id: int) -> TokenRow:
    """Return one token of this owner. Raises TokenNotFoundError."""
    token = await queries.get_token(connection, owner, token_id)
    if token is None:
        raise TokenNotFoundError
    return token


async def revoke_token(connection: Connection, owner: int, token_id: int) -> str:
    """Delete a token and return its name. Raises TokenNotFoundError."""
    name = await queries.delete_token(connection, owner, token_id)
    if name is None:
        raise TokenNotFoundError
    return name
