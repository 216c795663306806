"""Whose request this is, and the decorators that say who may make it."""

import asyncio
import logging
from functools import wraps
from typing import Any
from urllib.parse import quote

from quart import Response, flash, g, request

from service import db
from service.auth import queries
from service.auth.queries import SignedInUser
from service.exceptions import ServiceError
from service.security.tokens import hash_token
from service.web import pages
from service.web.credentials import session_token
from service.web.marks import View, mark

# Longest time that the page of an error waits to know the person, in seconds.
LOOKUP_TIMEOUT = 1.0


async def current_user() -> SignedInUser | None:
    """The person signed in, or None; asks the database once a request, and only with a cookie."""
    if "user" not in g:
        g.user = await _load_user()
    user: SignedInUser | None = g.user
    return user


async def look_up_user(*, ask_database: bool) -> None:
    """Find out for a page who is signed in, as far as that is possible; raises nothing.

    Without a session's cookie nobody is. Where the database is not to be asked, or does not answer
    within LOOKUP_TIMEOUT, the person stays unknown, and `pages.render` claims nothing about them.
    """
    if "user" in g:
        return
    if not session_token():
        # With a request that the guards refuse, browsers may have kept the cookie back: to another
        # host, by http, or from another site.
        if g.get("passed_guards"):
            g.user = None
    elif ask_database:
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                await current_user()
        except (ServiceError, TimeoutError):
            return
        except Exception as error:
            logging.getLogger(__name__).error("no page can tell who is there", exc_info=error)


def forget_user() -> None:
    """Look the person up anew when a page wants to know: the session may have ended meanwhile."""
    g.pop("user", None)


async def _load_user() -> SignedInUser | None:
    token = session_token()
    if not token:
        return None
    async with db.read() as connection:
        return await queries.get_signed_in(connection, hash_token(token))


def login_required(view: View) -> View:
    """Call the view with the person signed in as `user`; send others to the sign-in page."""

    @wraps(view)
    async def wrapped(**kwargs: Any) -> Any:
        user = await current_user()
        if user is None:
            return await _ask_to_sign_in()
        return await view(user=user, **kwargs)

    return mark(wrapped, access="signed in")


def login_required_to_read(view: View) -> View:
    """The same for a view that reads: it gets the `connection` that has just told who it is.

    One connection for both statements: taking it from the pool costs as much as a small query.
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
    """Mark a view as open to everybody on purpose; a test finds those that are not marked."""
    return mark(view, access="public")


async def _ask_to_sign_in() -> Response:
    await flash("Please log in to access this page.", "info")
    # A form that was sent cannot be sent again by a link: back to where it stood instead.
    target = request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else "/books/"
    return pages.redirect(f"/login?next={quote(target, safe='/')}")
