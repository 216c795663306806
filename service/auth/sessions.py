"""Begin, renew and end a session: its row, and its cookie on the answer."""

from datetime import timedelta

from service.auth import queries
from service.db.statements import Connection
from service.exceptions import NotAuthenticatedError
from service.models import utc_now
from service.security.tokens import hash_token, new_token
from service.web.session_cookie import delete_session_cookie, session_token, set_session_cookie

# Both count from the sign-in, and use of the session does not extend them. 30 days, for "remember
# me", is the longest time that NIST SP 800-63B allows for one factor (AAL1).
SESSION_LIFETIME = timedelta(hours=24)
REMEMBERED_LIFETIME = timedelta(days=30)
# Of one person. No limit counts a right password, and each one adds a session. A script that signs
# in every minute and never signs out has 1,440 sessions of a day.
MAX_SESSIONS = 10_000


async def sign_in(connection: Connection, user_id: int, *, remember: bool = False) -> None:
    """Begin a session, and end the session whose cookie this request carries.

    So a cookie that an attacker put into the browser is worth nothing afterwards. The row is
    written in the transaction of `connection`, the cookie is set on this request's answer.
    """
    await _end_current(connection)
    token = new_token()
    lifetime = REMEMBERED_LIFETIME if remember else SESSION_LIFETIME
    await queries.add_session(connection, hash_token(token), user_id, lifetime)
    await queries.delete_oldest_sessions(connection, user_id, MAX_SESSIONS)
    max_age = int(lifetime.total_seconds()) if remember else None
    set_session_cookie(token, max_age)


async def renew_session(connection: Connection, user_id: int, session_id: int) -> None:
    """Give this browser's session another token, so that a stolen copy of the old one is refused.

    Raises NotAuthenticatedError if the session has ended.
    """
    token = new_token()
    times = await queries.replace_token_hash(connection, user_id, session_id, hash_token(token))
    if times is None:
        raise NotAuthenticatedError("This session has ended.")
    created_at, expires_at = times
    remembered = expires_at - created_at > SESSION_LIFETIME
    set_session_cookie(token, int((expires_at - utc_now()).total_seconds()) if remembered else None)


async def sign_out(connection: Connection) -> None:
    """Delete this browser's session and its cookie."""
    await _end_current(connection)
    delete_session_cookie()


async def _end_current(connection: Connection) -> None:
    token = session_token()
    if token:
        await queries.delete_session(connection, hash_token(token))
