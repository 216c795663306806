"""Entity tags (RFC 9110, 8.8.3) that come back through a proxy. No quart here.

A proxy that compresses an answer changes its ETag: nginx makes it weak (`W/"…"`), Apache appends
`-gzip` or `-br` inside the quotes, others `;gzip`, `--gzip` or `-zstd`. Clients send that form
back. It still names the version that we answered with, so it is known again here.
"""

import re

_ETAG = re.compile(r'(?:W/)?"([!#-~\x80-\xff]*)"')
# Each proxy on the way may add one. The bound keeps the pattern linear.
ADDED_BY_PROXIES = r"(?:(?:--?|;)(?:gzip|br|zstd|deflate)){0,3}"
_ADDED = re.compile(ADDED_BY_PROXIES)


def opaque_tags(header: str) -> list[str]:
    """The opaque part of each tag in an If-Match or If-None-Match: without W/ and the quotes.

    Text that is no tag is passed over.
    """
    return _ETAG.findall(header)


def is_known(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match names this ETag of ours, as it is or as proxies change it."""
    if header is None:
        return False
    if header.strip() in (etag, "*"):
        return True
    own = etag.strip('"')
    return any(
        tag.startswith(own) and _ADDED.fullmatch(tag, len(own)) is not None
        for tag in opaque_tags(header)
    )
