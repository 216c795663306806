"""The signed-in person of a request, and the decorators that say which views are for whom."""

import asyncio
import logging
from functools import wraps
from typing import Any
from urllib.parse import quote

from quart import Response, flash, g, request

from service import db
from service.auth import queries
from service.auth.queries import SignedInUser
from service.db.statements import Connection
from service.exceptions import NotAuthenticatedError, ServiceError
from service.security.tokens import hash_token
from service.web import pages
from service.web.session_cookie import session_token
from service.web.view_marks import View, mark

# Seconds. An error page waits this long for the lookup of the signed-in person.
LOOKUP_TIMEOUT = 1.0


async def current_user() -> SignedInUser | None:
    """Return the signed-in person, or None. Asks the database at most once in a request."""
    if "user" not in g:
        g.user = await _load_user()
    user: SignedInUser | None = g.user
    return user


async def still_signed_in(connection: Connection) -> SignedInUser:
    """Look the person of this request up again, in the transaction of `connection`.

    Raises NotAuthenticatedError if the session has ended.
    """
    token = session_token()
    user = await queries.get_signed_in(connection, hash_token(token)) if token else None
    if user is None:
        raise NotAuthenticatedError("This session has ended.")
    return user


async def look_up_user(*, ask_database: bool) -> None:
    """Set `g.user` for a page, if that is possible. Raises no error.

    Without a session cookie nobody is signed in. With one, the person stays unknown if
    `ask_database` is false, or if the database does not answer within LOOKUP_TIMEOUT. Then
    `pages.render` shows a page that suits both cases.
    """
    if "user" in g:
        return
    if not session_token():
        # If a guard refused the request, the missing cookie proves nothing: browsers do not send
        # it to another host name, over http, or from another site.
        if g.get("passed_guards"):
            g.user = None
    elif ask_database:
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                await current_user()
        except (ServiceError, TimeoutError):
            return
        except Exception as error:
            message = "cannot look up the signed-in person for a page"
            logging.getLogger(__name__).error(message, exc_info=error)


def forget_user() -> None:
    """Delete `g.user`, so that the next lookup asks the database: the session may have ended."""
    g.pop("user", None)


async def _load_user() -> SignedInUser | None:
    token = session_token()
    if not token:
        return None
    async with db.read() as connection:
        return await queries.get_signed_in(connection, hash_token(token))


def login_required(view: View) -> View:
    """Call the view with the signed-in person as `user`. Redirect others to the sign-in page."""

    @wraps(view)
    async def wrapped(**kwargs: Any) -> Any:
        user = await current_user()
        if user is None:
            return await _ask_to_sign_in()
        return await view(user=user, **kwargs)

    return mark(wrapped, access="signed in")


def login_required_to_read(view: View) -> View:
    """Call the view with `user`, and with the `connection` that looked the person up.

    For views that only read. They use one connection for both statements, because taking one from
    the pool costs as much as a small query.
    """

    @wraps(view)
    async def wrapped(**kwargs: Any) -> Any:
        token = session_token()
        if token:
            async with db.read() as connection:
                g.user = await queries.get_signed_in(connection, hash_token(token))
                if g.user is not None:
                    return await view(user=g.user, connection=connection, **kwargs)
        return await _ask_to_sign_in()

    return mark(wrapped, access="signed in")


def public(view: View) -> View:
    """Mark a view as open to everybody. A test fails for views without a mark."""
    return mark(view, access="public")


async def _ask_to_sign_in() -> Response:
    await flash("Please log in to access this page.", "info")
    # After signing in, a redirect cannot send the form again: lead to the book list instead.
    target = request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else "/books/"
    return pages.redirect(f"/login?next={quote(target, safe='/')}")
