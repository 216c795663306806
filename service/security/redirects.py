"""The addresses to which a page may redirect after signing in."""

from urllib.parse import urlsplit


def local_path(target: str | None) -> str | None:
    """Return the target if it is a path of this site, else None.

    Browsers accept more than RFC 3986 as the start of another site's address: they read a backslash
    as a slash, and ignore tabs and line ends.
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
