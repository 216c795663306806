"""Authenticate calls by access token or, from scripts of our own pages, by session."""

from typing import NamedTuple

from quart import Quart

from service.auth import queries
from service.auth.queries import SignedInUser, TokenOwner
from service.auth.tokens import get_token_owner
from service.db.statements import Connection
from service.exceptions import InsufficientScopeError, NotAuthenticatedError
from service.security.tokens import hash_token
from service.web.bearer_token import bearer_token
from service.web.session_cookie import session_token


class InvalidTokenError(NotAuthenticatedError):
    """The token does not exist, was revoked, or has expired."""

    challenge = 'Bearer error="invalid_token"'

    def __init__(self) -> None:
        super().__init__("The token is wrong, was revoked, or has expired.")


class Caller(NamedTuple):
    """The person for whom a call is made."""

    user: SignedInUser | TokenOwner

    @property
    def token_id(self) -> int | None:
        """The id of the token of the call, or None if a session authenticates it."""
        return self.user.token_id if isinstance(self.user, TokenOwner) else None

    @property
    def session_id(self) -> int | None:
        """The id of the session of the call, or None if a token authenticates it."""
        return None if isinstance(self.user, TokenOwner) else self.user.session_id


async def authenticate(connection: Connection, scope: str) -> Caller:
    """Return the caller. Raises NotAuthenticatedError, or InsufficientScopeError for a token.

    A token needs the `scope`. If that is empty, every valid token will do. In a request with a
    token, the cookie does not count.
    """
    token = bearer_token()
    if token is not None:
        return await authenticate_token(connection, token, scope)
    cookie = session_token()
    user = cookie and await queries.get_signed_in(connection, hash_token(cookie))
    if not user:
        raise NotAuthenticatedError("Send an access token: Authorization: Bearer rl_…")
    return Caller(user)


async def authenticate_token(
    connection: Connection, token: str, scope: str, app: Quart | None = None
) -> Caller:
    """Return the caller that a token authenticates. Raises the same errors as `authenticate`.

    Without a current application, give it as `app`.
    """
    owner = await get_token_owner(connection, token, app)
    if owner is None:
        raise InvalidTokenError
    if scope and scope not in owner.scopes.split(" "):
        raise InsufficientScopeError(f"The token lacks the scope {scope}.", scope)
    return Caller(owner)


def require_token(caller: Caller) -> None:
    """Refuse a call by session. Raises InsufficientScopeError."""
    if caller.token_id is None:
        raise InsufficientScopeError("This call was made with a session, not with a token.")


def require_session(caller: Caller) -> None:
    """Refuse a call by token, for operations that a thief of a token must not do.

    Raises InsufficientScopeError.
    """
    if caller.token_id is not None:
        raise InsufficientScopeError("No token may do this: sign in on the pages for it.")
