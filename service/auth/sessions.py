"""Beginning and ending a session: its row, and its cookie on the answer."""

from datetime import timedelta

from service.auth import queries
from service.db.statements import Connection
from service.exceptions import NotAuthenticatedError
from service.models import utc_now
from service.security.tokens import hash_token, new_token
from service.web.credentials import delete_session_cookie, session_token, set_session_cookie

# From signing in, however busy the session is. A day with the browser open; with "remember me"
# what NIST 800-63B allows at most for a single factor.
SESSION_LIFETIME = timedelta(hours=24)
REMEMBERED_LIFETIME = timedelta(days=30)
# Of one person: a right password is not counted by any limit, and each one makes a session. A
# script that signs in every minute of a day, and never out, makes 1,440.
MAX_SESSIONS = 10_000


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
    set_session_cookie(token, max_age)


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
    set_session_cookie(token, int((expires_at - utc_now()).total_seconds()) if remembered else None)


async def sign_out(connection: Connection) -> None:
    """End this browser's session on the server, and have it forget the cookie."""
    await _end_current(connection)
    delete_session_cookie()


async def _end_current(connection: Connection) -> None:
    token = session_token()
    if token:
        await queries.delete_session(connection, hash_token(token))
