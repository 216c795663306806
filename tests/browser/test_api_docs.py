"""The page of the API: everybody reads it, and who is signed in tries what it tells of."""

import json
from typing import Any

import pytest

from service.models import books_table
from tests.browser.conftest import OpenTab
from tests.browser.sites import Site
from tests.browser.tabs import Tab
from tests.people import rows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def sent(tab: Tab, operation: str, method: str) -> str:
    """Send the form of an operation; returns what is shown of the answer."""
    form = tab.page.locator(f"#{operation} .try")
    if await form.get_attribute("open") is None:
        await form.locator("summary").click()
    await form.get_by_role("button", name=f"Send {method}").click()
    return await form.locator("[role=status] pre").inner_text()


def body_of(shown: str) -> Any:
    """The JSON below the status and the headers."""
    return json.loads(shown.partition("\n\n")[2])


async def test_try_it(open_tab: OpenTab, site: Site) -> None:
    """Adding, changing, listing and deleting a book, with nothing but the session."""
    tab, person = await open_tab(site), await site.person()
    await tab.sign_in(person)
    await tab.goto("/api/docs")

    book = '{"title": "Ficciones <b>", "author": "Jorge Luis Borges"}'
    await tab.page.locator("#add_book .try summary").click()
    await tab.page.locator("#add_book-body").fill(book)
    shown = await sent(tab, "add_book", "POST")
    assert shown.startswith("201")
    assert "location: /api/v1/books/" in shown
    book_id = body_of(shown)["id"]
    assert body_of(shown)["title"] == "Ficciones <b>"

    await tab.page.locator("#change_book .try summary").click()
    await tab.page.locator("#change_book-book_id").fill(str(book_id))
    assert body_of(await sent(tab, "change_book", "PATCH"))["rating"] == 4
    await tab.page.locator("#list_books .try summary").click()
    await tab.page.locator("#list_books-count").fill("true")
    listed = body_of(await sent(tab, "list_books", "GET"))
    assert [each["id"] for each in listed["items"]] == [book_id]
    assert listed["count"] == 1
    await tab.page.locator("#delete_book .try summary").click()
    await tab.page.locator("#delete_book-book_id").fill(str(book_id))
    await tab.page.locator("#delete_book").get_by_role("button", name="Send DELETE").click()
    assert tab.problems.pop().startswith(f"dialog: DELETE /api/v1/books/{book_id}")
    assert person.id in {
        owner for _, owner in await rows(site.app, books_table.c.id, books_table.c.user_id)
    }
    tab.confirming = "cannot be undone"
    assert (await sent(tab, "delete_book", "DELETE")).startswith("204")
    assert person.id not in {
        owner for _, owner in await rows(site.app, books_table.c.id, books_table.c.user_id)
    }
    assert all(url.startswith(f"{site.url}/") for url in tab.requested)


async def test_try_it_refused(open_tab: OpenTab, sqlite_site: Site) -> None:
    """What is refused is shown as it is answered."""
    tab = await open_tab(sqlite_site)
    await tab.sign_in(await sqlite_site.person())
    await tab.goto("/api/docs")
    await tab.page.locator("#get_book .try summary").click()
    await tab.page.locator("#get_book-book_id").fill("../me")
    assert body_of(await sent(tab, "get_book", "GET"))["code"] == "NOT_FOUND"
    await tab.page.locator("#add_book .try summary").click()
    await tab.page.locator("#add_book-body").fill("{")
    assert body_of(await sent(tab, "add_book", "POST"))["code"] == "BAD_REQUEST"
    tab.problems.clear()  # the console tells of both, and that is all that it tells


async def test_docs_without_scripts(open_tab: OpenTab, sqlite_site: Site) -> None:
    """Everything can be read; nothing is offered that would not work."""
    tab = await open_tab(sqlite_site, java_script_enabled=False)
    await tab.sign_in(await sqlite_site.person())
    await tab.goto("/api/docs")
    await tab.page.locator("#register summary").first.click()
    assert "EMAIL_TAKEN" in await tab.page.locator("#register").inner_text()
    assert await tab.page.locator(".try:visible").count() == 0
