"""The client's address as the proxy that we trust tells it; what clients claim does not count."""

import ipaddress
import re
from typing import NamedTuple

from werkzeug.datastructures import Headers

FORWARDED_FOR = "X-Forwarded-For"
# The notations of proxies: 203.0.113.9, 203.0.113.9:40001, 2001:db8::1, [2001:db8::1]:443, with a
# zone (fe80::1%eth0) as well. An IPv6 address with a port has brackets, or nobody could tell.
_NOTATION = re.compile(
    r"(?P<v4>[0-9.]+)(?::[0-9]{1,5})?"
    r"|\[(?P<bracketed>[0-9A-Fa-f:.]+)(?:%[^\]]+)?\](?::[0-9]{1,5})?"
    r"|(?P<v6>[0-9A-Fa-f:.]+)(?:%.+)?",
    re.ASCII,
)
_PARAMETER = re.compile(r'\s*([a-z]+)=("[^"\\]*"|[^",;\s]*)\s*', re.IGNORECASE | re.ASCII)


class Client(NamedTuple):
    """The client's address. `problem` is the reason, if any, why it is not as the settings say.

    The reason is for the log: it names a header, and never what stands in it.
    """

    address: str
    problem: str | None = None


def client_address(peer: str, headers: Headers, *, header: str | None, trusted_hops: int) -> Client:
    """The client's address, or the peer's where no trusted proxy tells a valid one.

    `header` names one that the platform's edge always overwrites. Otherwise the address stands
    `trusted_hops` places from the right in X-Forwarded-For, since each proxy appends the one it
    was called from; further left is whatever the client sent.
    """
    problem = None
    if header is not None:
        address, problem = _from_header(headers, header)
        if address is not None:
            return Client(address)
    if trusted_hops:
        address, wrong = _from_list(headers, trusted_hops)
        if address is not None:
            return Client(address, problem)
        problem = problem or wrong
    return Client(peer, problem)


def parse_address(text: str) -> str | None:
    """The address in one of the notations of proxies, without quotes, brackets, zone and port.

    An IPv4 address that is mapped into IPv6 is told as IPv4. None for anything else.
    """
    match = _NOTATION.fullmatch(_unquoted(text.strip()))
    if match is None:
        return None
    try:
        if match["v4"]:
            return str(ipaddress.IPv4Address(match["v4"]))
        address = ipaddress.IPv6Address(match["bracketed"] or match["v6"])
    except ValueError:
        return None
    return str(address.ipv4_mapped or address)


def limit_key(address: str) -> str:
    """Whom a limit counts: one IPv4 address, or the /64 that one IPv6 customer is given."""
    parsed = parse_address(address)
    if parsed is None:
        return address
    if ":" not in parsed:
        return parsed
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _from_header(headers: Headers, name: str) -> tuple[str | None, str | None]:
    """The address, or the reason why there is none."""
    lines = headers.getlist(name)
    if not lines:
        return None, f"{name} is missing"
    text = ",".join(lines)  # of several, nobody knows which one the edge has written
    if name.lower() == "forwarded":
        text = _forwarded_for(text)
    address = parse_address(text)
    return address, f"{name} does not hold one address" if address is None else None


def _from_list(headers: Headers, hops: int) -> tuple[str | None, str | None]:
    # A proxy may append a line of its own instead of an address to the client's line.
    texts = ",".join(headers.getlist(FORWARDED_FOR)).split(",")
    if len(texts) < hops or not any(texts):
        return None, f"{FORWARDED_FOR} has fewer addresses than TRUSTED_PROXY_HOPS"
    address = parse_address(texts[-hops])
    wrong = f"{FORWARDED_FOR} has no address in the place that TRUSTED_PROXY_HOPS names"
    return address, wrong if address is None else None


def _forwarded_for(text: str) -> str:
    """What stands after `for=` in a Forwarded header with one element (RFC 7239), or nothing."""
    parameters = map(_PARAMETER.fullmatch, text.split(";"))
    found = [match[2] for match in parameters if match and match[1].lower() == "for"]
    return found[0] if len(found) == 1 else ""


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
