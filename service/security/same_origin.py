"""Whether a request that changes something comes from our own pages (no tokens in forms needed).

Browsers say where a request comes from in headers that scripts cannot set; together with
SameSite cookies that is proof. The reasoning is in docs/decisions.
"""

from collections.abc import Collection

from werkzeug.datastructures import Headers

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_same_origin(headers: Headers, own_origins: Collection[str]) -> bool:
    """Whether the headers prove it: Sec-Fetch-Site where it is sent, else Origin. Neither: no."""
    fetch_site = headers.get("Sec-Fetch-Site")
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    return headers.get("Origin") in own_origins
