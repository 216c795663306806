"""Where a page may send people on to after they signed in."""

from urllib.parse import urlsplit


def local_path(target: str | None) -> str | None:
    """The target if it is a path of this site, else None.

    Browsers read more than RFC 3986 allows as the start of another site's address: a backslash
    for a slash, and nothing at all for tabs and line ends.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or not target.isprintable():
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    return None if parts.scheme or parts.netloc else target
