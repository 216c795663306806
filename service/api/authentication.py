"""Whose call it is, and what it may do: by token or, for scripts of our own pages, by session."""

from typing import NamedTuple

from quart import Quart

from service.auth import queries
from service.auth.queries import SignedInUser, TokenOwner
from service.auth.tokens import get_token_owner
from service.db.statements import Connection
from service.exceptions import InsufficientScopeError, NotAuthenticatedError
from service.security.tokens import hash_token
from service.web.credentials import bearer_token, session_token


class InvalidTokenError(NotAuthenticatedError):
    """There is no such token, or none any more."""

    challenge = 'Bearer error="invalid_token"'

    def __init__(self) -> None:
        super().__init__("The token is wrong, was revoked, or has expired.")


class Caller(NamedTuple):
    """The person in whose name a call is made."""

    user: SignedInUser | TokenOwner

    @property
    def token_id(self) -> int | None:
        """The token that was sent; None where a session signs the call in."""
        return self.user.token_id if isinstance(self.user, TokenOwner) else None

    @property
    def session_id(self) -> int | None:
        """The session that signs the call in; None for a token."""
        return None if isinstance(self.user, TokenOwner) else self.user.session_id


async def authenticate(connection: Connection, scope: str) -> Caller:
    """Who calls. Raises NotAuthenticatedError, or InsufficientScopeError where a token lacks it.

    With an empty `scope` any token will do.
    Whoever sends a token is judged by it alone, whatever cookie is there too.
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
    """The same for a token that was sent; with an `app`, also where there is no current one."""
    owner = await get_token_owner(connection, token, app)
    if owner is None:
        raise InvalidTokenError
    if scope and scope not in owner.scopes.split(" "):
        raise InsufficientScopeError(f"The token lacks the scope {scope}.", scope)
    return Caller(owner)


def require_token(caller: Caller) -> None:
    """What is about the token that is sent. Raises InsufficientScopeError."""
    if caller.token_id is None:
        raise InsufficientScopeError("This call was made with a session, not with a token.")


def require_session(caller: Caller) -> None:
    """What a stolen token must not be good for. Raises InsufficientScopeError."""
    if caller.token_id is not None:
        raise InsufficientScopeError("No token may do this: sign in on the pages for it.")
