"""The tests' own eyes: a tab that saw nothing would let every test pass."""

import pytest

from tests.browser.axe import violations
from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.browser.tabs import Tab
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRONG = {
    "policy": "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')",
    "console": "console.error('told')",
    "dialog": "alert('hello')",
    "foreign": "void fetch('http://127.0.0.2:9/').catch(() => {})",
    "status 404": "void fetch('/static/nothing.png').catch(() => {})",
    "script error": "setTimeout(() => nowhere.to_be.found)",
}


async def sees(tab: Tab, kind: str) -> None:
    """Wait until the tab tells of a problem of this kind; then it is closed, and forgets all."""

    async def told() -> bool:
        return any(kind in problem for problem in tab.problems)

    await eventually(told)
    await tab.context.close()  # one mistake may be told of twice
    tab.problems.clear()


@pytest.mark.parametrize("kind", WRONG)
async def test_watching_problems(open_tab: OpenTab, sqlite_site: Site, kind: str) -> None:
    tab = await open_tab(sqlite_site, bypass_csp=kind in ("foreign", "status 404"))
    await tab.goto("/")
    assert tab.problems == []
    await tab.evaluate(WRONG[kind])
    await sees(tab, kind)


async def test_watching_policy_without_scripts(open_tab: OpenTab, sqlite_site: Site) -> None:
    """Violations are seen where the page itself may not run scripts."""
    tab = await open_tab(sqlite_site, java_script_enabled=False)
    await tab.goto("/")
    await tab.evaluate(WRONG["policy"])
    await sees(tab, "Content Security Policy")


async def test_watching_accessibility(open_tab: OpenTab, sqlite_site: Site) -> None:
    tab = await open_tab(sqlite_site)
    await tab.page.set_content("<img src=''><p style='color: #999; background: #aaa'>Faint</p>")
    found = {violation.split(":")[0] for violation in await violations(tab.page)}
    assert {"image-alt", "color-contrast", "html-has-lang"} <= found
