"""A browser for the whole session, a site on each database, and tabs that report problems.

Everything runs in the session's event loop: Playwright belongs to the loop that it began in.
"""

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from sqlalchemy import make_url

from service import migrations
from tests.browser.chromium import NAMES, chromium, find_chromium
from tests.browser.sites import Site, serving
from tests.browser.tabs import REPORT_VIOLATIONS, Tab
from tests.migrations.databases import Database

TIMEOUT = 20_000  # milliseconds for any one step, on a machine that is busy
session = pytest_asyncio.fixture(scope="session", loop_scope="session")

OpenTab = Callable[..., Awaitable[Tab]]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = find_chromium()
    if path is None:
        reason = f"no Chromium: neither CHROMIUM nor any of {', '.join(NAMES)} is a program"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@session
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with chromium(chromium_path) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def open_tab(browser: Browser) -> AsyncIterator[OpenTab]:
    """Opens tabs of profiles of their own; the test fails when anything went wrong in one."""
    tabs: list[Tab] = []

    async def open_tab(site: Site, *, on: Browser = browser, **options: Any) -> Tab:
        context = await on.new_context(
            reduced_motion="reduce", service_workers="block", locale="en-GB", **options
        )
        context.set_default_timeout(TIMEOUT)
        await context.add_init_script(REPORT_VIOLATIONS)
        tabs.append(Tab(context, await context.new_page(), site.url))
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        await tab.context.close()
    assert [problem for tab in tabs for problem in tab.problems] == []


@session
async def sqlite_site(
    chromium_path: str, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("site-sqlite")
    shutil.copy(migrated_sqlite, folder / "app.db")
    async with serving(f"sqlite:///{folder / 'app.db'}", folder) as site:
        yield site


@session
async def postgresql_site(
    chromium_path: str, postgresql_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("site-postgresql")
    server, name = Database(postgresql_url), f"readlog_browser_{secrets.token_hex(4)}"
    server.run_alone(f"CREATE DATABASE {name}")
    try:
        url = make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)
        await migrations.upgrade(Database(url).settings)
        async with serving(url, folder) as site:
            yield site
    finally:
        server.run_alone(f"DROP DATABASE {name} WITH (FORCE)")


@session
async def faulty_site(
    chromium_path: str, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """One that has addresses which fail: see `tests.browser.faulty`."""
    folder = tmp_path_factory.mktemp("site-faulty")
    shutil.copy(migrated_sqlite, folder / "app.db")
    app = "tests.browser.faulty:create_app()"
    async with serving(f"sqlite:///{folder / 'app.db'}", folder, app=app, workers=1) as site:
        yield site


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest) -> Site:
    """The test runs once on each kind of database."""
    site: Site = request.getfixturevalue(f"{request.param}_site")
    return site
