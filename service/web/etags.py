"""Entity tags (RFC 9110, 8.8.3) that proxies have changed: decision 17.

A proxy that compresses an answer changes its ETag: nginx makes it weak (`W/"…"`), Apache appends
`-gzip` or `-br` inside the quotes, others `;gzip`, `--gzip` or `-zstd`. Clients send the changed
tag back. It still names the version that we sent, so it counts here. This module imports no Quart.
"""

import re

_ETAG = re.compile(r'(?:W/)?"([!#-~\x80-\xff]*)"')
# Each proxy on the way may append one ending. The bound of 3 keeps the pattern linear.
ADDED_BY_PROXIES = r"(?:(?:--?|;)(?:gzip|br|zstd|deflate)){0,3}"
_ADDED = re.compile(ADDED_BY_PROXIES)


def opaque_tags(header: str) -> list[str]:
    """Return the tags in an If-Match or If-None-Match, without `W/` and without the quotes.

    Text that is no tag is ignored.
    """
    return _ETAG.findall(header)


def is_known(header: str | None, etag: str) -> bool:
    """Return whether an If-None-Match names this ETag of ours, unchanged or changed by a proxy."""
    if header is None:
        return False
    if header.strip() in (etag, "*"):
        return True
    own = etag.strip('"')
    return any(
        tag.startswith(own) and _ADDED.fullmatch(tag, len(own)) is not None
        for tag in opaque_tags(header)
    )
