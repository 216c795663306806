"""What a page costs to load."""

import pytest
from playwright.async_api import Response

from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.browser.tabs import Tab
from tests.tokens.token_forms import has_tokens

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAX_WEIGHT = 30_000  # bytes of HTML and CSS, before any compression


async def weigh(tab: Tab, path: str) -> int:
    """The bytes of a page with its style; it runs no script and is made of this site's files."""
    responses: list[Response] = []
    tab.page.on("response", lambda response: responses.append(response))
    await tab.page.goto(tab.url + path, wait_until="networkidle")
    bytes_of: dict[str, int] = {}
    for response in responses:
        kind = response.request.resource_type
        bytes_of[kind] = bytes_of.get(kind, 0) + len(await response.body())

    assert set(bytes_of) <= {"document", "stylesheet", "image", "other"}
    assert bytes_of["document"] > 0
    assert bytes_of["stylesheet"] > 0
    assert await tab.page.locator("script").count() == 0
    assert all(url.startswith(f"{tab.url}/") for url in tab.requested)
    return bytes_of["document"] + bytes_of["stylesheet"]


async def test_weight_of_list(open_tab: OpenTab, site: Site) -> None:
    """A full page of the list is small."""
    tab = await open_tab(site)
    await tab.sign_in(await site.person(*(f"A book of many, volume {n}" for n in range(25))))
    assert await weigh(tab, "/books/") <= MAX_WEIGHT
    assert await tab.page.locator("tbody tr").count() == 25


async def test_weight_of_tokens(open_tab: OpenTab, site: Site) -> None:
    """So is the page of somebody with as many tokens as people may well have."""
    tab, person = await open_tab(site), await site.person()
    await has_tokens(site.app, person, *(f"A program of many, number {n}" for n in range(20)))
    await tab.sign_in(person)
    assert await weigh(tab, "/profile/tokens") <= MAX_WEIGHT
    assert await tab.page.locator(".tokens li").count() == 20
