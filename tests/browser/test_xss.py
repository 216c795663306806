"""What people type is text, wherever it is shown."""

import pytest

from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.browser.tabs import Tab
from tests.tokens.token_forms import has_tokens

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAYLOADS = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    '" autofocus onfocus=alert(1) x="',
    "javascript:alert(1)",
    "<a href='javascript:alert(1)'>go</a>",
    "<img src=//127.0.0.2/x.png>",
    "<style>body { background: url(//127.0.0.2/) }</style>",
    "<meta http-equiv=refresh content='0; url=//127.0.0.2/'>",
    "<base href=//127.0.0.2/>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=//127.0.0.2/><button>Send</button>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} #{7 * 7}",
    "&lt;script&gt;alert(1)&lt;/script&gt; &amp;amp;",
    "<!--><script>alert(1)</script-->",
    "]]><script>alert(1)</script>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "\u202e<b>right to left\u202c",
    "<ScRiPt/x>alert(1)</sCrIpT >",
    "<details open ontoggle=alert(1)>",
    "<x contenteditable onbeforeinput=alert(1)>",
]


async def unharmed(tab: Tab) -> None:
    """The page has the elements of its templates alone, and nothing ran."""
    strange = "main :is(script, style, iframe, img, meta, base, math, details, x, b), [onfocus]"
    assert await tab.page.locator(strange).count() == 0
    assert tab.problems == []


async def test_xss_in_books(open_tab: OpenTab, sqlite_site: Site) -> None:
    tab = await open_tab(sqlite_site)
    await tab.sign_in(await sqlite_site.person())
    for payload in PAYLOADS:
        await tab.goto("/books/add")
        await tab.fill({"Title": payload, "Author": payload, "Rating (optional)": payload})
        await tab.press("Add book")
        assert tab.status == 422
        await unharmed(tab)
        for label in ("Title", "Author", "Rating (optional)"):
            assert await tab.page.get_by_label(label, exact=True).input_value() == payload

        await tab.fill({"Rating (optional)": "1"})
        await tab.press("Add book")
        flash = await tab.page.locator("[role=status]").text_content()
        assert flash == f"Added new book ({payload})!"
        assert await tab.page.locator("tbody th").first.text_content() == payload
        assert await tab.page.locator("tbody td").first.text_content() == payload
        await unharmed(tab)

        await tab.click(tab.page.locator("tbody a[href$=delete]").first)
        assert await tab.page.locator("dd").all_text_contents() == [payload, payload]
        await unharmed(tab)


async def test_xss_in_tokens(open_tab: OpenTab, sqlite_site: Site) -> None:
    tab, person = await open_tab(sqlite_site), await sqlite_site.person()
    await has_tokens(sqlite_site.app, person, *reversed(PAYLOADS))
    await tab.sign_in(person)
    await tab.goto("/profile/tokens")
    assert await tab.page.locator(".tokens h2").all_text_contents() == PAYLOADS
    await unharmed(tab)
    for payload in PAYLOADS:
        await tab.goto("/profile/tokens")
        await tab.click(tab.page.locator("a[href$=revoke]").first)
        assert await tab.page.locator("dd").first.text_content() == payload
        await unharmed(tab)
        await tab.press("Revoke token")
        flash = await tab.page.locator("[role=status]").text_content()
        assert flash == f"Token ({payload}) was revoked!"
        await unharmed(tab)

    await tab.fill({"Name": PAYLOADS[3]})
    await tab.press("Make token")
    assert tab.status == 422
    assert await tab.page.get_by_label("Name").input_value() == PAYLOADS[3]
    await unharmed(tab)


async def test_xss_in_addresses(open_tab: OpenTab, sqlite_site: Site) -> None:
    """Nor does anything in an address or a refused address of somebody become part of a page."""
    tab = await open_tab(sqlite_site)
    for payload in PAYLOADS[:6]:
        await tab.goto(f"/{payload.replace('/', '%2f')}")
        assert tab.status == 404
        await unharmed(tab)
        await tab.goto(f"/login?next={payload}")
        await tab.fill({"E-mail address": payload})
        await tab.press("Login")
        assert await tab.page.get_by_label("E-mail address").input_value() == payload
        await unharmed(tab)


@pytest.mark.parametrize("target", ["javascript:alert(1)", "//127.0.0.2/", "http://127.0.0.2/"])
async def test_xss_in_next(open_tab: OpenTab, sqlite_site: Site, target: str) -> None:
    """Signing in never leads off the site."""
    tab, email = await open_tab(sqlite_site), (await sqlite_site.person()).email
    await tab.goto(f"/login?next={target}")
    await tab.fill({"E-mail address": email, "Password": "correct horse battery"})
    await tab.press("Login")
    assert tab.path == "/books/"
