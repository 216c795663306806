"""What a person does here from the first visit to the last, with scripts and without."""

import time
from collections.abc import Mapping

import pytest

from tests.browser.conftest import OpenTab
from tests.browser.sites import Site, new_email
from tests.browser.tabs import COOKIE, Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "a calm river in winter"
DAY = 86_400  # seconds
FORM = ("Title", "Author", "Rating (optional)")


async def values(tab: Tab) -> list[str]:
    return [await tab.page.get_by_label(label, exact=True).input_value() for label in FORM]


async def lifetime(tab: Tab) -> float | None:
    """How many seconds the browser will keep the session's cookie; None: until it is closed."""
    found: Mapping[str, object]
    for found in await tab.context.cookies():
        if found["name"] == COOKIE:
            expires = float(str(found["expires"]))
            return None if expires == -1 else expires - time.time()
    raise AssertionError("not signed in")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no_scripts"])
async def test_journey(open_tab: OpenTab, site: Site, scripts: bool) -> None:
    tab, email = await open_tab(site, java_script_enabled=scripts), new_email()

    await tab.goto("/")
    await tab.follow("Need an account? Register!")
    await tab.fill({"E-mail address": email, "Password": PASSWORD, "Password, once more": PASSWORD})
    await tab.press("Register")
    assert tab.path == "/books/"
    assert f"Thank you for registering, {email}!" in await tab.text()
    assert "Your shelf is waiting" in await tab.text()
    assert await lifetime(tab) is None

    await tab.follow("Add Book")
    await tab.fill({"Title": "Ema", "Author": "Jane Austen", "Rating (optional)": "4"})
    await tab.press("Add book")
    assert tab.path == "/books/"
    assert "Added new book (Ema)!" in await tab.text()
    assert "4 of 5" in await tab.page.locator("tbody tr").inner_text()

    await tab.follow("Edit Ema")
    assert await values(tab) == ["Ema", "Jane Austen", "4"]
    await tab.fill({"Title": "Emma", "Rating (optional)": ""})
    await tab.press("Save changes")
    assert "Book (Emma) was updated!" in await tab.text()
    assert "Not rated" in await tab.page.locator("tbody tr").inner_text()

    await tab.follow("Delete Emma")
    assert "Delete this book?" in await tab.text()
    await tab.follow("Cancel")
    assert await tab.page.locator("tbody tr").count() == 1
    await tab.follow("Delete Emma")
    await tab.press("Delete book")
    assert "Book (Emma) was deleted!" in await tab.text()
    assert "Your shelf is waiting" in await tab.text()

    await tab.follow("Logout")
    await tab.press("Logout")
    assert tab.path == "/"
    assert "Goodbye!" in await tab.text()

    await tab.goto("/books/add")
    assert tab.path == "/login?next=/books/add"
    assert "Please log in to access this page." in await tab.text()
    await tab.fill({"E-mail address": email, "Password": "a calm river in summer"})
    await tab.page.get_by_label("Remember me on this device").check()
    await tab.press("Login")
    assert tab.status == 401
    assert await tab.page.get_by_label("E-mail address").input_value() == email
    assert await tab.page.get_by_label("Password").input_value() == ""
    await tab.fill({"Password": PASSWORD})
    await tab.press("Login")
    assert tab.path == "/books/add"
    assert f"Thank you for logging in, {email}!" in await tab.text()
    assert await lifetime(tab) == pytest.approx(30 * DAY, abs=DAY)

    await tab.follow("Profile")
    assert email in await tab.text()


async def test_journey_through_pages(open_tab: OpenTab, site: Site) -> None:
    """A list longer than a page can be walked to its end and back."""
    tab = await open_tab(site)
    await tab.sign_in(await site.person(*(f"Volume {number}" for number in range(1, 61))))
    seen: list[list[str]] = []
    await tab.goto("/books/")
    for step in ("Older", "Older", "Newer", "Newer"):
        seen.append(await tab.page.locator("tbody th").all_inner_texts())
        pages = tab.page.get_by_role("navigation", name="Pagination")
        await tab.click(pages.get_by_text(step))
    seen.append(await tab.page.locator("tbody th").all_inner_texts())

    assert [title for page in seen[:3] for title in page] == [
        f"Volume {n}" for n in range(60, 0, -1)
    ]
    assert [len(page) for page in seen] == [25, 25, 10, 25, 25]
    assert seen[3:] == [seen[1], seen[0]]
