"""The client's address as a trusted proxy sends it, not as the client claims it (decision 25)."""

import ipaddress
import re
from typing import NamedTuple

from werkzeug.datastructures import Headers

FORWARDED_FOR = "X-Forwarded-For"
# The notations of proxies: 203.0.113.9, 203.0.113.9:40001, 2001:db8::1, [2001:db8::1]:443, also
# with a zone (fe80::1%eth0). An IPv6 address with a port has brackets: otherwise it is ambiguous.
_NOTATION = re.compile(
    r"(?P<v4>[0-9.]+)(?::[0-9]{1,5})?"
    r"|\[(?P<bracketed>[0-9A-Fa-f:.]+)(?:%[^\]]+)?\](?::[0-9]{1,5})?"
    r"|(?P<v6>[0-9A-Fa-f:.]+)(?:%.+)?",
    re.ASCII,
)
_PARAMETER = re.compile(r'\s*([a-z]+)=("[^"\\]*"|[^",;\s]*)\s*', re.IGNORECASE | re.ASCII)


class Client(NamedTuple):
    """The client's address. `problem` says why it could not be found as the settings demand.

    The text is for the log: it names a header, and does not quote its value.
    """

    address: str
    problem: str | None = None


def client_address(peer: str, headers: Headers, *, header: str | None, trusted_hops: int) -> Client:
    """Return the client's address, or the peer's if no trusted proxy sends a valid address.

    `header` is the name of a header that the platform's outermost proxy always overwrites. Without
    it, the address is `trusted_hops` places from the right in X-Forwarded-For: each proxy appends
    the address that called it. Addresses further left come from the client.
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
    """Return the address in a proxy's notation without quotes, brackets, zone and port.

    An IPv4 address that is mapped into IPv6 is returned as IPv4. Any other text gives None.
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
    """Return the key of an address for limits: the IPv4 address, or the /64 network of IPv6.

    Providers give each customer a /64 network at least.
    """
    parsed = parse_address(address)
    if parsed is None:
        return address
    if ":" not in parsed:
        return parsed
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _from_header(headers: Headers, name: str) -> tuple[str | None, str | None]:
    """Return the address, or the reason why there is none."""
    lines = headers.getlist(name)
    if not lines:
        return None, f"{name} is missing"
    text = ",".join(lines)  # several lines are refused below: a client may have sent one of them
    if name.lower() == "forwarded":
        text = _forwarded_for(text)
    address = parse_address(text)
    return address, f"{name} does not hold one address" if address is None else None


def _from_list(headers: Headers, hops: int) -> tuple[str | None, str | None]:
    # A proxy may add a second header instead of appending its address to the client's header.
    texts = ",".join(headers.getlist(FORWARDED_FOR)).split(",")
    if len(texts) < hops or not any(texts):
        return None, f"{FORWARDED_FOR} has fewer addresses than TRUSTED_PROXY_HOPS"
    address = parse_address(texts[-hops])
    wrong = f"{FORWARDED_FOR} has no address in the place that TRUSTED_PROXY_HOPS names"
    return address, wrong if address is None else None


def _forwarded_for(text: str) -> str:
    """Return the value of `for=` in a Forwarded header with one element (RFC 7239), or ""."""
    parameters = map(_PARAMETER.fullmatch, text.split(";"))
    found = [match[2] for match in parameters if match and match[1].lower() == "for"]
    return found[0] if len(found) == 1 else ""


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
