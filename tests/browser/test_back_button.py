"""After signing out, what was on the screen is gone for whoever sits down next."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.chromium import chromium
from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.people import PASSWORD
from tests.tokens.token_forms import TEXT

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "A diary that nobody else may see"


@pytest_asyncio.fixture(loop_scope="session")
async def remembering_browser(chromium_path: str) -> AsyncIterator[Browser]:
    """One that keeps whole pages for the Back button, as people's do and Playwright's does not."""
    async with chromium(chromium_path, without=["--disable-back-forward-cache"]) as browser:
        yield browser


async def test_back_after_logout(
    remembering_browser: Browser, open_tab: OpenTab, site: Site
) -> None:
    tab = await open_tab(site, on=remembering_browser)
    await tab.sign_in(await site.person(SECRET))
    await tab.goto("/books/")
    assert SECRET in await tab.page.content()
    await tab.follow("Delete " + SECRET)
    assert SECRET in await tab.page.content()
    await tab.goto("/profile")
    await tab.press("Logout")
    assert tab.path == "/"

    for _ in range(3):
        await tab.page.go_back(wait_until="commit")  # a kept page does not load again
        assert tab.path.startswith("/login?next=")
        assert SECRET not in await tab.page.content()


async def test_back_after_token(
    remembering_browser: Browser, open_tab: OpenTab, site: Site
) -> None:
    """The text of a token does not come back either, with the session or without."""
    tab = await open_tab(site, on=remembering_browser)
    await tab.sign_in(await site.person())
    await tab.goto("/profile/tokens")
    await tab.fill({"Name": "Backup", "Your password": PASSWORD})
    await tab.press("Make token")
    assert TEXT.search(await tab.page.content())
    await tab.follow("I have copied it")
    await tab.goto("/profile")
    await tab.press("Logout")
    for _ in range(3):
        await tab.page.go_back(wait_until="commit")
        assert not TEXT.search(await tab.page.content())
