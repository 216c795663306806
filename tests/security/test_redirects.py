"""Where people are sent, and where never."""

from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart

from service.security.redirects import local_path
from tests.people import PASSWORD, Browser, add_user
from tests.production import HOST, ORIGIN, production
from tests.wire import send, send_form

BAD = [
    "",
    "books/",
    "?after=1",
    "#top",
    " /books/",
    "\t/books/",
    "https://evil.example",
    "https://evil.example/books/",
    "HTTPS://EVIL.EXAMPLE",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "http://localhost",
    "http://localhost/books/",
    "http://localhost@evil.example/",
    "//evil.example",
    "//evil.example/books/",
    "///evil.example",
    "////evil.example",
    "//localhost@evil.example",
    "//evil.example\\@localhost/",
    "//[::1]/",
    "//[evil",
    "/\\evil.example",
    "/\\/evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "\\\\\\evil.example",
    "/books\\..\\evil",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    "/\x00/evil.example",
    "/\x0b//evil.example",
    "/\u2028/evil.example",
    "/\u200b/evil.example",
    "/books/\r\nSet-Cookie: a=b",
    "/books/\r\n\r\n<script>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "mailto:eve@evil.example",
    "evil.example",
    "evil.example/books/",
    "@evil.example",
    ":80",
    "./books/",
    "../books/",
]
GOOD = [
    "/",
    "/books/",
    "/books/?after=25",
    "/books/7/edit",
    "/profile#top",
    "/books/?next=https://evil.example",
    "/books//evil.example",
    "/%2F%2Fevil.example",
    "/%5Cevil.example",
    "/%0d%0aX:1",
    "/@evil.example",
    "/books/?q=ä&r=🦉",
    "/a:b",
    "/.//evil.example",
]


def destination(location: str, base: str) -> tuple[str, str]:
    """Scheme and host that a browser ends up at: to it tabs are nothing, and \\ is a slash."""
    cleaned = location.strip("".join(map(chr, range(33)))).replace("\\", "/")
    parts = urlsplit(urljoin(base, cleaned.translate({9: None, 10: None, 13: None})))
    return parts.scheme, parts.netloc


@pytest.mark.parametrize("target", BAD, ids=ascii)
def test_bad_target(target: str) -> None:
    assert local_path(target) is None


@pytest.mark.parametrize("target", GOOD)
def test_good_target(target: str) -> None:
    assert local_path(target) == target
    assert destination(target, "http://localhost/login") == ("http", "localhost")


def test_no_target() -> None:
    assert local_path(None) is None


@given(st.text(st.sampled_from("/\\\t\n\r:@.?#%[]evil \x00\x0b\u2028a0"), max_size=12))
@settings(max_examples=400, deadline=None)
def test_any_target(text: str) -> None:
    """Whatever is let through leads a browser nowhere but here."""
    target = local_path(text)
    if target is not None:
        assert destination(target, "http://localhost/login") == ("http", "localhost")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("where", ["form", "address"])
async def test_login_goes_nowhere_else(app: Quart, where: str) -> None:
    """After signing in a bad target leads to the list, a good one to where it says."""
    await add_user(app, "carol@example.com")
    credentials = f"email=carol%40example.com&password={quote(PASSWORD)}"
    for target in [*BAD, *GOOD]:
        extra = f"next={quote(target, safe='')}"
        path, body = ("/login", f"{credentials}&{extra}")
        if where == "address":
            path, body = (f"/login?{extra}", credentials)
        answer = await send_form(app, path, body.encode())
        assert answer.status == 303, ascii(target)
        location = answer.one("Location")
        assert location.isascii()
        assert destination(location, "http://localhost/login") == ("http", "localhost")
        assert (location == "/books/") == (target in (*BAD, "/books/")), ascii(target)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_login_form_keeps_good_targets_only(nobody: Browser) -> None:
    for target in BAD:
        response = await nobody.get("/login", query_string={"next": target})
        assert response.status_code == 200
        assert 'name="next"' not in await response.get_data(as_text=True)
    response = await nobody.get("/login?next=/books/7/edit")
    assert 'name="next" value="/books/7/edit"' in await response.get_data(as_text=True)


ADDRESSES = [
    "/books",
    "//books",
    "//evil.example/books",
    "/books?next=//evil.example",
    "/%2F%2Fevil.example/%2e%2e",
    "/static//evil.example",
    "/static/%2Fevil.example",
    "/books/?%0d%0aSet-Cookie:a=b",
    "/books%0d%0aSet-Cookie:a=b",
    "/%5C%5Cevil.example/books/",
    "/logout",
    "/profile?a=%0d%0aX:1",
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ADDRESSES)
async def test_redirects_stay_here(app: Quart, path: str) -> None:
    """Whoever asks, under whatever Host, an address redirects to a path of the same site."""
    for host in ("localhost", "evil.example", "a b", "[::1", "", ".", "x" * 64, "x:99999"):
        answer = await send(app, target=path, headers=[("Host", host)])
        assert answer.status in (303, 308, 404)
        for location in answer.all("Location"):
            assert location.startswith("/")
            assert not location.startswith("//")
            assert location.isprintable()
        assert answer.all("Set-Cookie") == [] or "a=b" not in str(answer.headers)


class TestInProduction:
    """Behind a proxy, the service itself is spoken to by HTTP."""

    pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        return production(database_url)

    @pytest.mark.parametrize("path", ADDRESSES)
    async def test_redirects_keep_https(self, app: Quart, path: str) -> None:
        answer = await send(app, target=path, headers=[("Host", HOST)])
        for location in answer.all("Location"):
            assert destination(location, f"{ORIGIN}/") == ("https", HOST)
