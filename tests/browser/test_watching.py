"""The tests' own eyes: a tab that saw nothing would let every test pass."""

import pytest

from tests.browser.axe import violations
from tests.browser.conftest import OpenTab
from tests.browser.sites import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRONG = {
    "policy": "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')",
    "console": "console.error('told')",
    "dialog": "alert('hello')",
    "foreign": "void fetch('http://127.0.0.2:9/').catch(() => {})",
    "status 404": "void fetch('/static/nothing.png').catch(() => {})",
    "script error": "setTimeout(() => nowhere.to_be.found)",
}


@pytest.mark.parametrize("kind", WRONG)
async def test_watching_problems(open_tab: OpenTab, sqlite_site: Site, kind: str) -> None:
    tab = await open_tab(sqlite_site, bypass_csp=kind in ("foreign", "status 404"))
    await tab.goto("/")
    assert tab.problems == []
    await tab.evaluate(WRONG[kind])
    await tab.page.wait_for_timeout(200)
    assert any(kind in problem for problem in tab.problems), tab.problems
    tab.problems.clear()


async def test_watching_policy_without_scripts(open_tab: OpenTab, sqlite_site: Site) -> None:
    """Violations are seen where the page itself may not run scripts."""
    tab = await open_tab(sqlite_site, java_script_enabled=False)
    await tab.goto("/")
    await tab.evaluate(WRONG["policy"])
    await tab.page.wait_for_timeout(200)
    assert any("Content Security Policy" in problem for problem in tab.problems), tab.problems
    tab.problems.clear()


async def test_watching_accessibility(open_tab: OpenTab, sqlite_site: Site) -> None:
    tab = await open_tab(sqlite_site)
    await tab.page.set_content("<img src=''><p style='color: #999; background: #aaa'>Faint</p>")
    found = {violation.split(":")[0] for violation in await violations(tab.page)}
    assert {"image-alt", "color-contrast", "html-has-lang"} <= found
