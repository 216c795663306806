"""Who a request comes from, as limits see it."""

import time
from types import SimpleNamespace

import pytest
from quart import Quart
from werkzeug.datastructures import Headers

from service.limits.rules import LOGIN_PER_ADDRESS
from service.models import rate_limits_table
from service.security.client_address import Client, client_address, limit_key, parse_address
from tests.people import rows
from tests.wire import send_form

PEER = "10.19.64.237"
FORWARDED = "X-Forwarded-For"
# What Render's edge makes of a request by 1.1.1.1 that claims to be 2.2.2.2.
RENDER = "2.2.2.2,1.1.1.1, 172.71.95.118, 10.19.64.237"


def client(*headers: tuple[str, str], hops: int = 0, header: str | None = None) -> Client:
    return client_address(PEER, Headers(list(headers)), header=header, trusted_hops=hops)


def found(*headers: tuple[str, str], hops: int = 0, header: str | None = None) -> str:
    return client(*headers, hops=hops, header=header).address


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
        "1.1.1.1:, 172.71.95.118, 10.19.64.237",
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


# Each notation, and the address that it stands for.
NOTATIONS = [
    ("203.0.113.9", "203.0.113.9"),
    ("203.0.113.9:40001", "203.0.113.9"),
    ('"203.0.113.9:40001"', "203.0.113.9"),
    ("2001:db8::1", "2001:db8::1"),
    ("2001:DB8:0:0::0:1", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("[2001:db8::1]:443", "2001:db8::1"),
    ('"[2001:db8::1]:443"', "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1"),
    ("[fe80::1%eth0]:443", "fe80::1"),
    ("::ffff:203.0.113.9", "203.0.113.9"),
    ("[::ffff:203.0.113.9]:40001", "203.0.113.9"),
    ("::ffff:cb00:7109", "203.0.113.9"),
]


@pytest.mark.parametrize(("text", "address"), NOTATIONS)
def test_address_notations(text: str, address: str) -> None:
    """Every usual notation is understood alike in the list of proxies and in the edge's header."""
    assert parse_address(text) == address
    for written in (text, f" {text}\t"):
        assert client((FORWARDED, f"2.2.2.2, {written}"), hops=1) == (address, None)
        assert client((FORWARDED, f"{written}, 10.0.0.1"), hops=2) == (address, None)
        assert client(("X-Client-IP", written), header="X-Client-IP") == (address, None)
    for quoted in (f"for={text}", f"proto=https;For={text};by=10.0.0.1"):
        assert client(("Forwarded", quoted), header="Forwarded") == (address, None)


@pytest.mark.parametrize(
    "text",
    [
        *("", '"', '""', "unknown", "_hidden", "203.0.113", "203.0.113.9.", "203.0.113.256"),
        *("203.0.113.9:", "203.0.113.9:x", "203.0.113.9:123456", "203.0.113.9 40001"),
        *('"203.0.113.9', "[203.0.113.9]:80", "203.0.113.9%eth0"),
        *("[2001:db8::1", "2001:db8::1]:443", "[]", "[]:443", "[2001:db8::1]x", "2001:db8:::1"),
        *("for=203.0.113.9", "\u0662\u0660\u0663.0.113.9", "http://203.0.113.9/", "::1%", "%eth0"),
    ],
)
def test_address_garbage(text: str) -> None:
    """Anything else is none: the peer counts, and the log can say so without what was sent."""
    assert parse_address(text) is None
    for found in (
        client((FORWARDED, text), hops=1),
        client(("X-Client-IP", text), header="X-Client-IP"),
        client(("Forwarded", f"by={text}"), header="Forwarded"),
    ):
        assert found.address == PEER
        assert found.problem
        assert text in ("", '"') or text not in found.problem


def test_address_in_the_edges_header_twice() -> None:
    """Of two, nobody knows which the edge has written; a list is none of its own either."""
    name = "X-Client-IP"
    for headers in ([(name, "2.2.2.2"), (name, "1.1.1.1")], [(name, "2.2.2.2, 1.1.1.1")]):
        assert client(*headers, header=name) == (PEER, "X-Client-IP does not hold one address")
    twice = "for=2.2.2.2, for=1.1.1.1"
    assert client(("Forwarded", twice), header="Forwarded").address == PEER


def test_address_problems() -> None:
    """The reason names the setting or the header that does not fit; no reason where all is well."""
    assert client().problem is None
    assert client((FORWARDED, RENDER), hops=3).problem is None
    assert client(hops=1).problem == "X-Forwarded-For has fewer addresses than TRUSTED_PROXY_HOPS"
    assert client((FORWARDED, "1.1.1.1"), hops=2).problem == client(hops=1).problem
    misplaced = client((FORWARDED, "x, 1.1.1.1"), hops=2).problem
    assert misplaced == "X-Forwarded-For has no address in the place that TRUSTED_PROXY_HOPS names"
    assert client(header="X-Real-IP").problem == "X-Real-IP is missing"
    # Of both, the edge's is told, even where the list has an address.
    both = client((FORWARDED, RENDER), header="X-Real-IP", hops=3)
    assert both == ("1.1.1.1", "X-Real-IP is missing")


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
    ({"TRUSTED_PROXY_HOPS": "1"}, [(FORWARDED, "1.1.1.1:40001")], "1.1.1.1"),
    ({"TRUSTED_PROXY_HOPS": "1"}, [(FORWARDED, "[2001:db8::1]:443")], "2001:db8::/64"),
    ({"CLIENT_IP_HEADER": "X-Real-IP"}, [("X-Real-IP", '"[2001:db8::1]:443"')], "2001:db8::/64"),
]


@pytest.mark.parametrize(
    ("environment", "headers", "counted"), VARIANTS, indirect=["environment"], ids=range(7)
)
async def test_limits_count_that_address(
    app: Quart, headers: list[tuple[str, str]], counted: str
) -> None:
    """Signing in is counted for the client that the settings make out, and spoofing is useless."""
    body = b"email=carol%40example.com&password=wrong+horse"
    assert (await send_form(app, "/login", body, headers=headers, peer=PEER)).status == 401
    keys = {key for (key,) in await rows(app, rate_limits_table.c.key)}
    assert LOGIN_PER_ADDRESS.of(counted).key in keys


@pytest.mark.parametrize("environment", [{"TRUSTED_PROXY_HOPS": "1"}], indirect=True)
async def test_limits_tell_of_garbage(
    app: Quart, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator sees that all people are counted as one: once a minute, and without a name."""
    now = 1000.0
    clock = SimpleNamespace(**vars(time) | {"monotonic": lambda: now})
    monkeypatch.setattr("service.logs.time", clock)
    body = b"email=carol%40example.com&password=wrong+horse"

    async def told(*headers: tuple[str, str]) -> list[str]:
        caplog.clear()
        answer = await send_form(app, "/login", body, headers=headers, peer=PEER)
        assert answer.status == 401
        return [it.message for it in caplog.records if it.name == "service.limits.rules"]

    assert await told((FORWARDED, "203.0.113.9:40001")) == []
    [line] = await told((FORWARDED, "carol-at-203.0.113.9"))
    assert line == (
        "clients are counted by their proxy's address: X-Forwarded-For has no address"
        " in the place that TRUSTED_PROXY_HOPS names"
    )
    now += 59
    assert await told((FORWARDED, "another")) == []
    [line] = await told()
    assert line.endswith("X-Forwarded-For has fewer addresses than TRUSTED_PROXY_HOPS")
    now += 1
    assert len(await told((FORWARDED, "another"))) == 1
