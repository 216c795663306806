"""What a page costs to load."""

import pytest
from playwright.async_api import Response

from tests.browser.conftest import OpenTab
from tests.browser.sites import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAX_WEIGHT = 30_000  # bytes of HTML and CSS, before any compression


async def test_weight_of_list(open_tab: OpenTab, site: Site) -> None:
    """A full page of the list is small, runs no script and is made of this site's files alone."""
    tab = await open_tab(site)
    await tab.sign_in(await site.person(*(f"A book of many, volume {n}" for n in range(25))))
    responses: list[Response] = []
    tab.page.on("response", lambda response: responses.append(response))
    await tab.page.goto(f"{site.url}/books/", wait_until="networkidle")
    bytes_of: dict[str, int] = {}
    for response in responses:
        kind = response.request.resource_type
        bytes_of[kind] = bytes_of.get(kind, 0) + len(await response.body())

    assert await tab.page.locator("tbody tr").count() == 25
    assert set(bytes_of) <= {"document", "stylesheet", "image", "other"}
    assert bytes_of["document"] > 0
    assert bytes_of["stylesheet"] > 0
    assert bytes_of["document"] + bytes_of["stylesheet"] <= MAX_WEIGHT
    assert await tab.page.locator("script").count() == 0
    assert all(url.startswith(f"{site.url}/") for url in tab.requested)
