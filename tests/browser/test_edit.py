"""A book that was changed in another window while somebody edited it."""

import pytest

from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.browser.states import STATES, UNBROKEN

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_edit_changed_meanwhile(open_tab: OpenTab, site: Site) -> None:
    """The focus is on what happened; what is on the list and what was typed are both there."""
    tab = await open_tab(site)
    await STATES["edit_changed_meanwhile"].arrive(tab, site)
    await tab.page.locator("[role=alert]:focus").wait_for()
    assert "changed meanwhile" in await tab.page.locator("[role=alert]").inner_text()
    now = tab.page.get_by_role("region", name="On your list now")
    assert UNBROKEN in await now.inner_text()
    title = tab.page.get_by_label("Title", exact=True)
    assert await title.input_value() == "Emma, or what I typed"

    await tab.press("Save changes")
    assert tab.path == "/books/"
    assert await tab.page.locator("tbody th").all_text_contents() == ["Emma, or what I typed"]
