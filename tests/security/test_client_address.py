"""Who a request comes from, as limits see it."""

import pytest
from quart import Quart
from werkzeug.datastructures import Headers

from service.config import Settings
from service.limiting import LOGIN_PER_ADDRESS
from service.models import RateLimit
from service.security.client_address import client_address, limit_key
from tests.people import rows
from tests.wire import send_form

PEER = "10.19.64.237"
FORWARDED = "X-Forwarded-For"
# What Render's edge makes of a request by 1.1.1.1 that claims to be 2.2.2.2.
RENDER = "2.2.2.2,1.1.1.1, 172.71.95.118, 10.19.64.237"


def found(*headers: tuple[str, str], hops: int = 0, header: str | None = None) -> str:
    return client_address(PEER, Headers(list(headers)), header=header, trusted_hops=hops)


@pytest.mark.parametrize(
    "forwarded",
    [
        RENDER,
        "1.1.1.1, 172.71.95.118, 10.19.64.237",
        "garbage, 1.1.1.1, 172.71.95.118, 10.19.64.237",
        "127.0.0.1,10.0.0.1,2.2.2.2,1.1.1.1,172.71.95.118,10.19.64.237",
        "9.9.9.9:80,1.1.1.1 ,172.71.95.118\t,  10.19.64.237",
        "," * 500 + "1.1.1.1,172.71.95.118,10.19.64.237",
        "::1,1.1.1.1,unknown,_hidden",
    ],
)
def test_address_counted_from_the_right(forwarded: str) -> None:
    """What a client writes stands to the left of what the proxies add."""
    assert found((FORWARDED, forwarded), hops=3) == "1.1.1.1"


@pytest.mark.parametrize(
    "header",
    [
        (FORWARDED, "2.2.2.2"),
        ("X-Real-IP", "2.2.2.2"),
        ("Forwarded", "for=2.2.2.2;proto=https"),
        ("True-Client-IP", "2.2.2.2"),
        ("CF-Connecting-IP", "2.2.2.2"),
        ("X-Client-IP", "2.2.2.2"),
        ("Remote-Addr", "2.2.2.2"),
    ],
)
def test_address_without_a_trusted_proxy(header: tuple[str, str]) -> None:
    """With nothing configured every claim is ignored, and so it is beside what is configured."""
    assert found(header) == PEER
    if header[0] != FORWARDED:
        assert found(header, (FORWARDED, RENDER), hops=3) == "1.1.1.1"


@pytest.mark.parametrize(
    "forwarded",
    [
        "",
        ",",
        ",,,",
        "1.1.1.1",
        "1.1.1.1, 172.71.95.118",
        "a, b, c",
        "1.1.1.1.1, 172.71.95.118, 10.19.64.237",
        "1.1.1.1:80, 172.71.95.118, 10.19.64.237",
        "0x01010101, 172.71.95.118, 10.19.64.237",
        "\u0661.1.1.1, 172.71.95.118, 10.19.64.237",
        "9" * 5000 + ", 172.71.95.118, 10.19.64.237",
    ],
)
def test_address_too_few_hops_or_garbage(forwarded: str) -> None:
    """Where the chain is not what was configured the peer counts, and nothing fails."""
    assert found((FORWARDED, forwarded), hops=3) == PEER
    assert found(hops=3) == PEER


def test_address_in_several_lines() -> None:
    """A proxy that adds a line of its own is believed, not the client's line before it."""
    assert found((FORWARDED, "2.2.2.2"), (FORWARDED, "1.1.1.1"), hops=1) == "1.1.1.1"
    assert found((FORWARDED, "2.2.2.2"), (FORWARDED, "1.1.1.1, 172.71.95.118"), hops=2) == "1.1.1.1"


def test_address_of_the_edge() -> None:
    """A header that the platform's edge overwrites wins; garbage in it does not."""
    name = "CF-Connecting-IP"
    assert found((name, "1.1.1.1"), (FORWARDED, "2.2.2.2"), header=name) == "1.1.1.1"
    assert found((name, " 2001:DB8::1 "), header=name) == "2001:db8::1"
    assert found((name, "not an address"), header=name) == PEER
    assert found((name, ""), (FORWARDED, RENDER), header=name, hops=3) == "1.1.1.1"
    assert found((FORWARDED, "2.2.2.2"), header=name) == PEER


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("<local>", "<local>"),
        ("", ""),
    ],
)
def test_limit_key(address: str, key: str) -> None:
    """An IPv6 customer has at least a /64, so that is who is counted."""
    assert limit_key(address) == key


@pytest.fixture
def environment(database_url: str, request: pytest.FixtureRequest) -> dict[str, str]:
    variables = {"CONFIG_TYPE": "testing", "DATABASE_URL": database_url}
    return variables | getattr(request, "param", {})


VARIANTS: list[tuple[dict[str, str], list[tuple[str, str]], str]] = [
    ({}, [(FORWARDED, "2.2.2.2"), ("Remote-Addr", "2.2.2.2")], PEER),
    ({"TRUSTED_PROXY_HOPS": "3"}, [(FORWARDED, RENDER)], "1.1.1.1"),
    (
        {"TRUSTED_PROXY_HOPS": "3"},
        [(FORWARDED, "2.2.2.2"), (FORWARDED, "1.1.1.1, 172.71.95.118, 10.19.64.237")],
        "1.1.1.1",
    ),
    ({"RENDER": "true", "CONFIG_TYPE": "testing"}, [("CF-Connecting-IP", "1.1.1.1")], "1.1.1.1"),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("environment", "headers", "counted"), VARIANTS, indirect=["environment"], ids=range(4)
)
async def test_limits_count_that_address(
    app: Quart, settings: Settings, headers: list[tuple[str, str]], counted: str
) -> None:
    """Signing in is counted for the client that the settings make out, and spoofing is useless."""
    body = b"email=carol%40example.com&password=wrong+horse"
    assert (await send_form(app, "/login", body, headers=headers, peer=PEER)).status == 401
    keys = {key for (key,) in await rows(app, RateLimit.key)}
    assert LOGIN_PER_ADDRESS.of(counted).key in keys
