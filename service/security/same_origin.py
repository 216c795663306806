"""Checks that a request comes from our own pages, without tokens in forms (decision 3).

Browsers send the origin of a request in headers that scripts cannot set. Together with SameSite
cookies, that is proof.
"""

from collections.abc import Collection

from werkzeug.datastructures import Headers

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_same_origin(headers: Headers, own_origins: Collection[str]) -> bool:
    """Return whether Sec-Fetch-Site or, if it is missing, Origin proves that the origin is ours."""
    fetch_site = headers.get("Sec-Fetch-Site")
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    return headers.get("Origin") in own_origins
