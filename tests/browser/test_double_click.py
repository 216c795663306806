"""A form that is sent twice makes one thing, in a real browser, with scripts and without."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Request
from sqlalchemy import update

from service import db
from service.models import access_tokens_table, books_table, users_table
from tests.browser.chromium import chromium
from tests.browser.conftest import OpenTab
from tests.browser.sites import Site, new_email
from tests.browser.tabs import Tab
from tests.people import PASSWORD, rows
from tests.statements import run_on
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

A_BOOK = {"Title": "Middlemarch", "Author": "George Eliot"}
with_and_without = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no_scripts"])


@pytest_asyncio.fixture(loop_scope="session")
async def remembering_browser(chromium_path: str) -> AsyncIterator[Browser]:
    """One that keeps whole pages for the Back button, as people's do and Playwright's does not."""
    async with chromium(chromium_path, without=["--disable-back-forward-cache"]) as browser:
        yield browser


async def books_of(site: Site, owner: int) -> list[str]:
    found = await rows(site.app, books_table.c.id, books_table.c.title, books_table.c.user_id)
    return [title for _, title, user_id in found if user_id == owner]


async def send_twice(tab: Tab, site: Site, name: str, path: str) -> None:
    """Click the button twice before the first answer can come, and follow the second one."""
    posts: list[Request] = []
    tab.page.on("request", lambda each: posts.append(each) if each.method == "POST" else None)
    button = tab.page.get_by_role("button", name=name, exact=True)
    await button.scroll_into_view_if_needed()
    box = await button.bounding_box()
    assert box is not None

    async def click(number: int) -> None:
        async def is_sent() -> bool:
            return len(posts) == number

        await tab.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await eventually(is_sent)

    async with site.app.app_context(), db.transaction() as connection:
        if connection.dialect == "postgresql":
            await run_on(connection, "LOCK TABLE users IN EXCLUSIVE MODE")
        else:  # it has one writer at a time
            await run_on(connection, update(users_table).values(email=users_table.c.email))
        await click(1)
        await click(2)
    await tab.page.wait_for_url(tab.url + path)


@with_and_without
async def test_book_double_click(open_tab: OpenTab, site: Site, scripts: bool) -> None:
    person = await site.person()
    tab = await open_tab(site, java_script_enabled=scripts)
    await tab.sign_in(person)
    await tab.goto("/books/add")
    await tab.fill(A_BOOK)
    await send_twice(tab, site, "Add book", "/books/")
    assert (await tab.text()).count("Added new book (Middlemarch)!") >= 1
    assert await books_of(site, person.id) == ["Middlemarch"]


@with_and_without
async def test_edit_double_click(open_tab: OpenTab, site: Site, scripts: bool) -> None:
    """The second half finds what it wants to be there already: nothing to decide."""
    person = await site.person("Middlemarsh")
    tab = await open_tab(site, java_script_enabled=scripts)
    await tab.sign_in(person)
    await tab.goto("/books/")
    await tab.follow("Edit Middlemarsh")
    await tab.fill(A_BOOK)
    await send_twice(tab, site, "Save changes", "/books/")
    assert "Book (Middlemarch) was updated!" in await tab.text()
    assert await books_of(site, person.id) == ["Middlemarch"]


@with_and_without
async def test_registration_double_click(open_tab: OpenTab, site: Site, scripts: bool) -> None:
    tab, email = await open_tab(site, java_script_enabled=scripts), new_email()
    await tab.goto("/register")
    await tab.fill({"E-mail address": email, "Password": PASSWORD, "Password, once more": PASSWORD})
    await send_twice(tab, site, "Register", "/books/")
    assert f"Thank you for registering, {email}!" in await tab.text()
    await tab.goto("/profile")
    assert email in await tab.text()


@with_and_without
async def test_token_double_click(open_tab: OpenTab, site: Site, scripts: bool) -> None:
    """The browser shows the second answer: the text, or what to do without it."""
    person = await site.person()
    tab = await open_tab(site, java_script_enabled=scripts)
    await tab.sign_in(person)
    await tab.goto("/profile/tokens")
    await tab.fill({"Name": "Backup", "Your password": PASSWORD})
    await send_twice(tab, site, "Make token", "/profile/tokens")
    told = tab.page.get_by_text("it is shown this once").or_(
        tab.page.get_by_text("This form was sent twice and made one token.")
    )
    await told.wait_for()
    found = await rows(site.app, access_tokens_table.c.id, access_tokens_table.c.user_id)
    assert [owner for _, owner in found].count(person.id) == 1


@pytest.mark.parametrize("remembering", [True, False])
async def test_book_back_button(
    browser: Browser,
    remembering_browser: Browser,
    open_tab: OpenTab,
    site: Site,
    remembering: bool,
) -> None:
    """Back, and sent again as it stands there: a form that is still filled in adds no other book.

    Where the browser shows it empty, nothing is sent by mistake.
    """
    person = await site.person()
    tab = await open_tab(site, on=remembering_browser if remembering else browser)
    await tab.sign_in(person)
    await tab.goto("/books/add")
    await tab.fill(A_BOOK)
    await tab.press("Add book")
    await tab.page.go_back(wait_until="commit")
    await tab.press("Add book")
    assert tab.status == 422 or "Added new book (Middlemarch)!" in await tab.text()
    assert await books_of(site, person.id) == ["Middlemarch"]
    await tab.page.reload()
    assert await books_of(site, person.id) == ["Middlemarch"]


async def test_book_reload_of_a_refusal(open_tab: OpenTab, site: Site) -> None:
    """Reloading an answer to POST sends the form again."""
    person = await site.person()
    tab = await open_tab(site)
    await tab.sign_in(person)
    await tab.goto("/books/add")
    await tab.fill(A_BOOK | {"Rating (optional)": "6"})
    await tab.press("Add book")
    await tab.page.reload()
    assert tab.status == 422
    await tab.fill({"Rating (optional)": "5"})
    await tab.press("Add book")
    await tab.page.reload()
    assert await books_of(site, person.id) == ["Middlemarch"]
