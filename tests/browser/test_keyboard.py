"""Everything can be reached and used without a mouse, and one always sees where one is."""

from collections.abc import Mapping

import pytest

from tests.browser.conftest import OpenTab
from tests.browser.sites import Site, new_email
from tests.browser.tabs import Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "a calm river in winter"
MOST_STOPS = 30
FOCUS = """
() => {
    const it = document.activeElement, style = getComputedStyle(it);
    return {
        kind: it.localName,
        name: (it.labels?.[0] ?? it).innerText.replace(/\\s+/g, " ").trim(),
        visible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
            && it.getBoundingClientRect().height > 1,
        body: it === document.body,
    };
}
"""


async def tab_to(tab: Tab, name: str, kind: str = "") -> None:
    """Press Tab until this has the focus; every stop on the way must be seen to have it.

    `kind` is the name of its element, where there are several of that name.
    """
    stops = []
    for _ in range(MOST_STOPS):
        await tab.page.keyboard.press("Tab")
        focus = await tab.evaluate(FOCUS)
        if focus["body"]:
            continue
        stops.append(focus["name"])
        assert focus["visible"], f"no visible focus on {focus['name']!r}"
        if focus["name"] == name and kind in ("", focus["kind"]):
            return
    raise AssertionError(f"{name!r} cannot be reached; Tab stops at {stops}")


async def enter(tab: Tab, name: str, kind: str = "") -> None:
    """Go there and press Enter, and wait for the page that it leads to."""
    await tab_to(tab, name, kind)
    await tab.enter()


async def type_into(tab: Tab, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        await tab_to(tab, name)
        await tab.page.keyboard.type(text)


async def test_keyboard_only(open_tab: OpenTab, site: Site) -> None:
    tab, email = await open_tab(site), new_email()
    await tab.goto("/")
    await enter(tab, "Register")
    await type_into(tab, {"E-mail address": email, "Password": PASSWORD})
    await type_into(tab, {"Password, once more": PASSWORD})
    await enter(tab, "Register", "button")
    assert tab.path == "/books/"

    await enter(tab, "Add Book")
    await type_into(tab, {"Title": "Emma", "Author": "Jane Austen"})
    await tab.enter()
    await enter(tab, "Edit Emma")
    await type_into(tab, {"Rating (optional)": "5"})
    await enter(tab, "Save changes")
    assert "5 of 5" in await tab.text()
    await enter(tab, "Delete Emma")
    await enter(tab, "Delete book")
    assert "Your shelf is waiting" in await tab.text()

    await enter(tab, "Logout", "a")
    await enter(tab, "Logout", "button")
    assert tab.path == "/"
    await enter(tab, "Login")
    await type_into(tab, {"E-mail address": email, "Password": PASSWORD})
    await tab_to(tab, "Remember me on this device")
    await tab.page.keyboard.press("Space")
    assert await tab.page.get_by_role("checkbox").is_checked()
    await enter(tab, "Login", "button")
    assert tab.path == "/books/"


async def test_keyboard_skips_to_content(open_tab: OpenTab, sqlite_site: Site) -> None:
    """The first stop leads past what all pages have in common."""
    tab = await open_tab(sqlite_site)
    await tab.goto("/login")
    await tab_to(tab, "Skip to content")
    await tab.page.keyboard.press("Enter")
    assert await tab.evaluate("document.activeElement.id") == "content"
    await tab_to(tab, "E-mail address")


async def test_keyboard_begins_at_errors(open_tab: OpenTab, sqlite_site: Site) -> None:
    """A form that comes back has the focus on what is wrong, and leads from there to the field."""
    tab = await open_tab(sqlite_site)
    await tab.goto("/register")
    await tab.press("Register")
    await tab.page.locator("[role=alert]:focus").wait_for()  # autofocus comes a moment after load
    assert (await tab.evaluate(FOCUS))["visible"]
    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.press("Enter")
    assert await tab.evaluate("document.activeElement.id") == "email"
