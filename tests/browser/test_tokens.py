"""Access tokens as a person makes, copies and revokes them, with scripts and without."""

import re

import pytest

from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.browser.states import STATES
from tests.browser.test_keyboard import tab_to
from tests.people import PASSWORD
from tests.tokens.token_forms import TEXT, call

pytestmark = pytest.mark.asyncio(loop_scope="session")

SELECTED = "getSelection().toString()"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no_scripts"])
async def test_tokens_journey(open_tab: OpenTab, site: Site, scripts: bool) -> None:
    tab = await open_tab(site, java_script_enabled=scripts)
    await tab.sign_in(await site.person("Emma"))
    await tab.goto("/profile")
    await tab.follow("access tokens")
    assert "You have no tokens yet." in await tab.text()

    await tab.fill({"Name": "Backup", "Your password": "not the right one"})
    await tab.page.get_by_label("Change your books").check()
    await tab.page.get_by_label("How long does it last?").select_option("1 year")
    await tab.press("Make token")
    assert tab.status == 401
    assert await tab.page.get_by_label("Change your books").is_checked()
    assert await tab.page.get_by_label("How long does it last?").input_value() == "365"
    await tab.fill({"Your password": PASSWORD})
    await tab.press("Make token")
    assert tab.status == 201
    field = tab.page.get_by_label("Token", exact=True)
    assert not await field.is_editable()
    text = await field.input_value()
    assert TEXT.fullmatch(text)
    assert await call(site.app, text) == 200

    await tab.follow("I have copied it")
    assert tab.path == "/profile/tokens"
    assert text not in await tab.page.content()
    assert "Read your books, change your books" in await tab.text()
    await tab.follow("Revoke Backup")
    await tab.follow("Cancel")
    await tab.follow("Revoke Backup")
    await tab.press("Revoke token")
    assert "Token (Backup) was revoked!" in await tab.text()
    assert "You have no tokens yet." in await tab.text()
    assert await call(site.app, text) == 401


async def test_tokens_reload(open_tab: OpenTab, site: Site) -> None:
    """Reloading the page with the text makes no second token; nor does it come back."""
    tab = await open_tab(site)
    await tab.sign_in(await site.person())
    await tab.goto("/profile/tokens")
    await tab.fill({"Name": "Backup", "Your password": PASSWORD})
    await tab.press("Make token")
    assert tab.status == 201
    await tab.page.reload()
    assert tab.path == "/profile/tokens"
    assert "This form was sent twice and made one token." in await tab.text()
    assert await tab.page.get_by_role("link", name=re.compile("^Revoke")).count() == 1
    assert not TEXT.search(await tab.page.content())


async def test_tokens_keyboard(open_tab: OpenTab, site: Site) -> None:
    """Without a mouse: the text has the focus, and select-all and copy take it alone."""
    tab = await open_tab(site)
    await tab.sign_in(await site.person())
    await tab.goto("/profile/tokens")
    await tab_to(tab, "Name")
    await tab.page.keyboard.type("Backup")
    await tab_to(tab, "Read your account")
    await tab.page.keyboard.press("Space")
    await tab_to(tab, "How long does it last?")
    await tab.page.keyboard.press("ArrowDown")
    await tab_to(tab, "Your password")
    await tab.page.keyboard.type(PASSWORD)
    await tab.enter()
    await tab.page.locator("#token:focus").wait_for()
    await tab.page.keyboard.press("Control+a")
    text = await tab.page.get_by_label("Token", exact=True).input_value()
    assert await tab.evaluate(SELECTED) == text
    assert "Read your books, read your account" in await tab.text()
    await tab_to(tab, "I have copied it")


async def test_tokens_form_of_a_long_list(open_tab: OpenTab, site: Site) -> None:
    """On a phone, where the form stands below the list, a button leads to it."""
    tab = await open_tab(site, viewport={"width": 360, "height": 640})
    await STATES["tokens_several"].arrive(tab, site)
    await tab.follow("Make a token")
    assert await tab.evaluate("document.activeElement.id") == "name"
