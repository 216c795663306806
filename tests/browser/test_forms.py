"""Forms that come back say what is wrong, where, and to everybody."""

import pytest

from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.browser.states import STATES

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRONG_FIELDS = {
    "register_refused": {"email", "password", "confirm"},
    "login_refused": {"email", "password"},
    "password_refused": {"current_password", "password", "confirm"},
    "email_wrong_password": {"current_password"},
    "add_refused": {"book_title", "book_author", "book_rating"},
    "edit_refused": {"book_title", "book_rating"},
    "token_refused": {"name", "scopes", "password"},
    "token_wrong_password": {"password"},
}


@pytest.mark.parametrize("name", WRONG_FIELDS)
async def test_forms_tell_errors(open_tab: OpenTab, faulty_site: Site, name: str) -> None:
    tab = await open_tab(faulty_site)
    await STATES[name].arrive(tab, faulty_site)
    summary = tab.page.get_by_role("alert")
    assert await summary.count() == 1
    assert (await tab.page.title()).startswith("Error: ")

    fields = await tab.page.locator("main input:not([type=hidden])").all()
    wrong = set()
    for field in fields:
        identifier = await field.get_attribute("id") or ""
        described_by = (await field.get_attribute("aria-describedby") or "").split()
        for description in described_by:
            assert await tab.page.locator(f"[id='{description}']").count() == 1
        if await field.get_attribute("aria-invalid") is None:
            continue
        wrong.add(identifier)
        assert await field.get_attribute("aria-invalid") == "true"
        assert f"{identifier}-error" in described_by
        message = " ".join((await tab.page.locator(f"#{identifier}-error").inner_text()).split())
        link = summary.locator(f"a[href='#{identifier}']")
        assert message == "Error: " + await link.inner_text()
        await link.click()
        assert await tab.evaluate("document.activeElement.id") == identifier
    assert wrong == WRONG_FIELDS[name]


@pytest.mark.parametrize(
    "name", ["register", "login", "password", "email", "add", "edit", "tokens_empty"]
)
async def test_forms_without_errors(open_tab: OpenTab, faulty_site: Site, name: str) -> None:
    """A form that nobody has sent yet accuses nobody."""
    tab = await open_tab(faulty_site)
    await STATES[name].arrive(tab, faulty_site)
    assert await tab.page.get_by_role("alert").count() == 0
    assert await tab.page.locator("[aria-invalid]").count() == 0
    for field in await tab.page.locator("main input[type=text], main input[type=email]").all():
        assert await field.get_attribute("autocomplete")
