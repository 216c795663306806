"""A tab that remembers whatever went wrong in it, and so a test fails that did not look."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import (
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    Response,
)

from tests.people import Person

COOKIE = "readlog-session"
# Where scripts are off this cannot run; there Chromium's own console message tells.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", event =>
    console.error(`policy: ${event.effectiveDirective} blocked ${event.blockedURI}`));
"""
# What Chromium says about every answer of 4xx or 5xx; `_on_response` judges those.
BAD_STATUS = "Failed to load resource: the server responded with a status of"


class Tab:
    """One page of a fresh profile on the site at `url`; paths begin there."""

    def __init__(self, context: BrowserContext, page: Page, url: str) -> None:
        self.context = context
        self.page = page
        self.url = url
        self.problems: list[str] = []
        self.requested: list[str] = []
        self.status: int | None = None
        self.confirming: str | None = None  # a dialog that says this is answered with yes
        page.on("console", self._on_console)
        page.on("dialog", self._on_dialog)
        page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    async def goto(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def sign_in(self, person: Person) -> None:
        """Give this profile the cookie of somebody who is signed in."""
        value = person.cookie(COOKIE)
        assert value is not None
        await self.context.add_cookies([{"name": COOKIE, "value": value, "url": self.url}])

    async def fill(self, fields: Mapping[str, str]) -> None:
        """Type into the fields with these labels."""
        for label, text in fields.items():
            await self.page.get_by_label(label, exact=True).fill(text)

    async def press(self, name: str) -> None:
        """Press the button in the page's content."""
        await self.click(self.page.locator("main").get_by_role("button", name=name, exact=True))

    async def follow(self, name: str, within: str = "body") -> None:
        """Click the link."""
        await self.click(self.page.locator(within).get_by_role("link", name=name, exact=True))

    async def click(self, element: Locator) -> None:
        """Click what leads to another page; returns when that has loaded."""
        async with self.page.expect_navigation():
            await element.click()

    async def enter(self) -> None:
        """Press Enter where that leads to another page; returns when that has loaded."""
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")

    @property
    def path(self) -> str:
        """Where it is now, with the query."""
        return self.page.url.removeprefix(self.url)

    async def text(self) -> str:
        """What a person can read in the page's content."""
        return await self.page.locator("main").inner_text()

    async def evaluate(self, script: str, argument: Any = None) -> Any:
        return await self.page.evaluate(script, argument)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(BAD_STATUS):
            self.problems.append(f"console: {message.text}")

    async def _on_dialog(self, dialog: Dialog) -> None:
        if self.confirming is not None and self.confirming in dialog.message:
            await dialog.accept()
            return
        self.problems.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        self.requested.append(request.url)
        if urlsplit(request.url)[:2] != urlsplit(self.url)[:2]:
            self.problems.append(f"foreign request: {request.url}")

    def _on_failure(self, request: Request) -> None:
        # Aborted: the next page was asked for before the last one's icon had come.
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"failed request: {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.request.resource_type == "document":
            self.status = response.status
        elif response.status >= 400:
            self.problems.append(f"status {response.status}: {response.url}")
