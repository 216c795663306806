"""Finds and starts Chromium: the machine's own, none is downloaded."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing that the browser does by itself: every request it makes is one of the page's.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The program that CHROMIUM names, or the first of the usual names on PATH."""
    if given := os.environ.get("CHROMIUM"):
        return shutil.which(given)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@asynccontextmanager
async def chromium(path: str, *, without: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """A browser with an empty profile; `without` are arguments of Playwright's to leave out."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=ARGUMENTS, ignore_default_args=list(without), timeout=30_000
        )
        try:
            yield browser
        finally:
            await browser.close()
