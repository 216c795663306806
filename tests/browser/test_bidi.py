"""Text of people does not turn our words around it: where the words stand on the screen tells."""

import pytest

from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.text.test_bidi import STRANGE

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The left edges of the words before and after the text, and whether all is in one line.
PLACES = """
() => {
    const [before, text, after] = document.querySelector("[role=status]").childNodes;
    const edge = (node, at) => {
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + 1);
        return range.getBoundingClientRect();
    };
    const box = text.getBoundingClientRect();
    return [edge(before, 0).left, box.left, box.right, edge(after, 0).left, edge(after, 1).left];
}
"""


async def test_message(open_tab: OpenTab, sqlite_site: Site) -> None:
    tab = await open_tab(sqlite_site)
    await tab.sign_in(await sqlite_site.person())
    for text in STRANGE:
        title = " ".join(text.split()) + "x"  # as browsers send what is typed in one line
        await tab.goto("/books/add")
        await tab.fill({"Title": title, "Author": "Somebody"})
        await tab.press("Add book")
        places = await tab.evaluate(PLACES)
        assert places == sorted(places), ascii(title)
