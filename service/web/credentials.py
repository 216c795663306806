"""The proof of who sends a request: the cookie of a session, or an access token."""

from quart import after_this_request, request
from quart.typing import ResponseTypes

from service.web.context import get_settings


def cookie_name() -> str:
    """Over HTTPS with the prefix that makes browsers refuse it from anybody but this host."""
    return "__Host-session" if get_settings().secure_cookies else "readlog-session"


def session_token() -> str | None:
    """The token that this request's cookie carries, whatever it is worth."""
    return request.cookies.get(cookie_name())


def bearer_token() -> str | None:
    """What stands in the Authorization header after "Bearer"; None where there is no such header.

    Nowhere else: addresses end in logs and histories.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def set_session_cookie(token: str, max_age: int | None) -> None:
    """Set the cookie on this request's answer, unless that is a refusal.

    `max_age` is in seconds; with None the cookie ends with the browser.
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
    """Have the browser forget the cookie, unless the answer is a refusal.

    After a refused or failed attempt the session is still there to be ended.
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
