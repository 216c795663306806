"""Who is signed in: a cookie carries an opaque token, the database only its hash."""

from service.auth.current import current_user, login_required, login_required_to_read, public
from service.auth.queries import SignedInUser
from service.auth.sessions import renew_session, sign_in, sign_out

__all__ = [
    "SignedInUser",
    "current_user",
    "login_required",
    "login_required_to_read",
    "public",
    "renew_session",
    "sign_in",
    "sign_out",
]
