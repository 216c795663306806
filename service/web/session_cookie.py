"""The cookie of a session: its name, its attributes, and the token in it."""

from quart import after_this_request, request
from quart.typing import ResponseTypes

from service.web.context import get_settings


def cookie_name() -> str:
    """Return the name of the session cookie.

    Over HTTPS it has the prefix `__Host-`: browsers accept such a cookie from this host only.
    """
    return "__Host-session" if get_settings().secure_cookies else "readlog-session"


def session_token() -> str | None:
    """Return the token in this request's cookie, or None. The token may be invalid."""
    return request.cookies.get(cookie_name())


def set_session_cookie(token: str, max_age: int | None) -> None:
    """Set the session cookie on this request's answer, unless its status is 400 or above.

    `max_age` is in seconds. With None the cookie ends when the browser closes.
    """

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


def delete_session_cookie() -> None:
    """Delete the session cookie on this request's answer, unless its status is 400 or above.

    After such an answer the session may still exist, and the browser needs the cookie to end it.
    """

    @after_this_request
    async def delete_cookie(response: ResponseTypes) -> ResponseTypes:
        if response.status_code < 400:
            response.delete_cookie(
                cookie_name(),
                secure=get_settings().secure_cookies,
                httponly=True,
                samesite="Lax",
            )
        return response
