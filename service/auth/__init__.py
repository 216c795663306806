"""Sessions and access tokens: a request carries a random text, the database stores its hash."""

from service.auth.current import (
    current_user,
    forget_user,
    login_required,
    login_required_to_read,
    look_up_user,
    public,
    still_signed_in,
)
from service.auth.queries import SignedInUser
from service.auth.sessions import renew_session, sign_in, sign_out

__all__ = [
    "SignedInUser",
    "current_user",
    "forget_user",
    "login_required",
    "login_required_to_read",
    "look_up_user",
    "public",
    "renew_session",
    "sign_in",
    "sign_out",
    "still_signed_in",
]
