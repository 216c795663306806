"""Every page in every state: for everybody to use, and for the smallest of screens."""

from typing import Literal

import pytest

from tests.browser.axe import violations
from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.browser.states import STATES

pytestmark = pytest.mark.asyncio(loop_scope="session")

NARROW = 320  # pixels: WCAG 1.4.10's width
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
WIDTH = "document.documentElement.scrollWidth"
CUT_OFF = """
() => [...document.querySelectorAll("body *")]
    .filter(it => it.getBoundingClientRect().right > innerWidth && !it.matches(".vh, .vh *"))
    .map(it => it.outerHTML.slice(0, 80))
"""


@pytest.mark.parametrize("name", STATES)
async def test_state(open_tab: OpenTab, faulty_site: Site, name: str) -> None:
    """No violation of WCAG 2.2 AA in either colour scheme, and nothing wider than 320 px."""
    tab = await open_tab(faulty_site)
    await STATES[name].arrive(tab, faulty_site)
    assert tab.status == STATES[name].status
    assert await tab.page.locator("h1").count() == 1

    backgrounds = set()
    for scheme in SCHEMES:
        await tab.page.emulate_media(color_scheme=scheme)
        backgrounds.add(await tab.evaluate(BACKGROUND))
        assert await violations(tab.page) == [], scheme
    assert len(backgrounds) == 2, "both schemes look the same"

    await tab.page.set_viewport_size({"width": NARROW, "height": 640})
    assert await tab.evaluate(WIDTH) <= NARROW
    assert await tab.evaluate(CUT_OFF) == []
    assert await violations(tab.page) == [], "narrow"
    # WCAG 1.4.4: text of twice the size.
    await tab.page.set_viewport_size({"width": 2 * NARROW, "height": 640})
    await tab.evaluate("document.documentElement.style.fontSize = '200%'")
    assert await tab.evaluate(WIDTH) <= 2 * NARROW
