"""The access token of a request, in the header Authorization."""

from quart import request


def bearer_token() -> str | None:
    """Return the text after "Bearer" in the Authorization header, or None without such a header.

    A token in the URL does not count, because URLs end in logs and browser histories.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
