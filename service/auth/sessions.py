"""Beginning and ending a session: its row, and its cookie on the answer."""

from datetime import timedelta

from quart import after_this_request, request
from quart.typing import ResponseTypes

from service.auth import queries
from service.db.statements import Connection
from service.exceptions import NotAuthenticatedError
from service.models import utc_now
from service.security.tokens import hash_token, new_token
from service.web.context import get_settings

# From signing in, however busy the session is. A day with the browser open; with "remember me"
# what NIST 800-63B allows at most for a single factor.
SESSION_LIFETIME = timedelta(hours=24)
REMEMBERED_LIFETIME = timedelta(days=30)
# Of one person: a right password is not counted by any limit, and each one makes a session. A
# script that signs in every minute of a day, and never out, makes 1,440.
MAX_SESSIONS = 10_000


def cookie_name() -> str:
    """Over HTTPS with the prefix that makes browsers refuse it from anybody but this host."""
    return "__Host-session" if get_settings().secure_cookies else "readlog-session"


def session_token() -> str | None:
    """The token that this request's cookie carries, whatever it is worth."""
    return request.cookies.get(cookie_name())


async def sign_in(connection: Connection, user_id: int, *, remember: bool = False) -> None:
    """Begin a new session; the one that this browser had before ends (a planted one too).

    The cookie is set on this request's answer; the caller's transaction keeps the row.
    """
    await _end_current(connection)
    token = new_token()
    lifetime = REMEMBERED_LIFETIME if remember else SESSION_LIFETIME
    await queries.add_session(connection, hash_token(token), user_id, lifetime)
    await queries.delete_oldest_sessions(connection, user_id, MAX_SESSIONS)
    max_age = int(lifetime.total_seconds()) if remember else None
    _set_cookie(token, max_age)


async def renew_session(connection: Connection, user_id: int, session_id: int) -> None:
    """Give this browser's session another token, so that nobody else who has the old one stays.

    Raises NotAuthenticatedError where it has ended meanwhile.
    """
    token = new_token()
    times = await queries.replace_token_hash(connection, user_id, session_id, hash_token(token))
    if times is None:
        raise NotAuthenticatedError("This session has ended.")
    created_at, expires_at = times
    remembered = expires_at - created_at > SESSION_LIFETIME
    _set_cookie(token, int((expires_at - utc_now()).total_seconds()) if remembered else None)


async def sign_out(connection: Connection) -> None:
    """End this browser's session on the server, and have it forget the cookie."""
    await _end_current(connection)

    @after_this_request
    async def delete_cookie(response: ResponseTypes) -> ResponseTypes:
        # A refused or failed attempt leaves the cookie: the session is still there to be ended.
        if response.status_code < 400:
            response.delete_cookie(
                cookie_name(),
                secure=get_settings().secure_cookies,
                httponly=True,
                samesite="Lax",
            )
        return response


def _set_cookie(token: str, max_age: int | None) -> None:
    @after_this_request
    async def set_cookie(response: ResponseTypes) -> ResponseTypes:
        if response.status_code < 400:
            response.set_cookie(
                cookie_name(),
                token,
                max_age=max_age,
                secure=get_settings().secure_cookies,
                httponly=True,
                samesite="Lax",
            )
        return response


async def _end_current(connection: Connection) -> None:
    token = session_token()
    if token:
        await queries.delete_session(connection, hash_token(token))
