"""The client's address as the proxy that we trust tells it; what clients claim does not count."""

import ipaddress

from werkzeug.datastructures import Headers


def client_address(peer: str, headers: Headers, *, header: str | None, trusted_hops: int) -> str:
    """The client's address, or the peer's where no trusted proxy tells a valid one.

    `header` names one that the platform's edge always overwrites. Otherwise the address stands
    `trusted_hops` places from the right in X-Forwarded-For, since each proxy appends the one it
    was called from; further left is whatever the client sent.
    """
    if header is not None and (address := _parse(headers.get(header))):
        return address
    if trusted_hops:
        # A proxy may append a line of its own instead of an address to the client's line.
        forwarded = ",".join(headers.getlist("X-Forwarded-For")).split(",")
        if len(forwarded) >= trusted_hops and (address := _parse(forwarded[-trusted_hops])):
            return address
    return peer


def limit_key(address: str) -> str:
    """Whom a limit counts: one IPv4 address, or the /64 that one IPv6 customer is given."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed, 64), strict=False))


def _parse(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None
