"""Takes the pictures for the README: `python -m tests.browser.screenshots`."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, ViewportSize
from sqlalchemy import insert

from service import db, migrations
from service.auth.queries import note_use
from service.config import Settings
from service.models import books_table
from service.tokens import rules as tokens
from service.users.forms import Scope, TokenWish
from tests.browser.chromium import chromium, find_chromium
from tests.browser.png import with_palette
from tests.browser.sites import Site, serving
from tests.people import Person
from tests.servers import ROOT
from tests.statements import run

FOLDER = ROOT / "docs" / "images"
WIDE: ViewportSize = {"width": 1120, "height": 720}
PHONE: ViewportSize = {"width": 390, "height": 760}

# Newest last, as somebody would have typed them.
BOOKS = [
    ("Pride and Prejudice", "Jane Austen", 5),
    ("Der Zauberberg", "Thomas Mann", 4),
    ("Ficciones", "Jorge Luis Borges", 5),
    ("Преступление и наказание", "Фёдор Достоевский", 4),
    ("Frankenstein", "Mary Shelley", 4),
    ("Les Misérables", "Victor Hugo", 3),
    ("Moby-Dick", "Herman Melville", None),
    ("Gösta Berlings saga", "Selma Lagerlöf", 4),
    ("Middlemarch", "George Eliot", 5),
    ("Lalka", "Bolesław Prus", 4),
    ("Oblomow", "Iwan Gontscharow", 3),
    ("The Time Machine", "H. G. Wells", 4),
    ("Madame Bovary", "Gustave Flaubert", 4),
    ("A Room of One’s Own", "Virginia Woolf", 5),
    ("Memórias Póstumas de Brás Cubas", "Machado de Assis", 5),
    ("Effi Briest", "Theodor Fontane", 3),
    ("Dracula", "Bram Stoker", 4),
    ("Il Gattopardo", "Giuseppe Tomasi di Lampedusa", 5),
    ("კაცია-ადამიანი?!", "ილია ჭავჭავაძე", 4),
    ("Kalevala", "Elias Lönnrot", 3),
    ("Don Quijote de la Mancha", "Miguel de Cervantes", 5),
    ("الأيام", "طه حسين", 4),
    ("The Left Hand of Darkness", "Ursula K. Le Guin", 5),
    ("Οδύσσεια", "Όμηρος", 5),
    ("Things Fall Apart", "Chinua Achebe", 4),
    ("Война и мир", "Лев Толстой", None),
    ("סיפור פשוט", "ש״י עגנון", 4),
    ("The Master of Go", "Yasunari Kawabata", 4),
]

TOKENS: list[tuple[str, list[Scope]]] = [
    ("Backup, every night", ["books:read"]),
    ("Lesegruppe am Donnerstag", ["books:read"]),
    ("Scanner on my phone", ["books:read", "books:write"]),
]


async def main() -> None:
    """Serve the sample books and take every picture."""
    path = find_chromium()
    if path is None:
        raise SystemExit("There is no Chromium; CHROMIUM may name one.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    try:
        url = f"sqlite:///{folder / 'app.db'}"
        environment = {"CONFIG_TYPE": "testing", "DATABASE_URL": url}
        await migrations.upgrade(Settings.from_env(environment, root=folder))
        async with serving(url, folder, workers=1) as site, chromium(path) as browser:
            await take_all(browser, site)
    finally:
        shutil.rmtree(folder)


async def take_all(browser: Browser, site: Site) -> None:
    """The list wide and light, and on a phone in the dark; tokens; what a newcomer sees."""
    reader = await site.person()
    await put_books(site, reader)
    page = await open_page(browser, site, reader, viewport=WIDE, color_scheme="light")
    await page.goto(f"{site.url}/books/")
    await save(page, "list")
    page = await open_page(browser, site, reader, viewport=PHONE, color_scheme="dark")
    await page.goto(f"{site.url}/books/")
    await save(page, "list-phone-dark")
    await put_tokens(site, reader)
    page = await open_page(browser, site, reader, viewport=PHONE, color_scheme="light")
    await page.goto(f"{site.url}/profile/tokens")
    await save(page, "tokens-phone")
    page = await open_page(browser, site, None, viewport=WIDE, color_scheme="light")
    await page.goto(site.url)
    await save(page, "welcome")
    await page.set_viewport_size(PHONE)
    await page.goto(f"{site.url}/register")
    await page.get_by_label("E-mail address").fill("jane@")
    async with page.expect_navigation():
        await page.locator("main").get_by_role("button").click()
    await save(page, "register-phone")


async def put_books(site: Site, reader: Person) -> None:
    """Put the sample on somebody's list."""
    for title, author, rating in BOOKS:  # one by one: their order is the list's
        row = {"title": title, "author": author, "rating": rating, "user_id": reader.id}
        await run(site.app, insert(books_table).values(row))


async def put_tokens(site: Site, reader: Person) -> None:
    """Give somebody the tokens of TOKENS, of which all but the newest are used."""
    async with site.app.app_context(), db.transaction() as connection:
        for name, scopes in TOKENS:
            wish = TokenWish(name=name, scopes=scopes)
            row = (await tokens.make_token(connection, reader.id, wish)).row
            if name != TOKENS[-1][0]:
                await note_use(connection, row.id)


async def open_page(browser: Browser, site: Site, reader: Person | None, **options: Any) -> Page:
    """A page of a profile of its own, of somebody who is signed in, if anybody."""
    context = await browser.new_context(
        reduced_motion="reduce", locale="en-GB", device_scale_factor=1, **options
    )
    if reader is not None and (value := reader.cookie()):
        cookie = {"name": "readlog-session", "value": value, "url": site.url}
        await context.add_cookies([cookie])  # type: ignore[list-item]
    return await context.new_page()


async def save(page: Page, name: str) -> None:
    """Keep what the window shows."""
    picture = await page.screenshot()
    small = with_palette(picture)
    FOLDER.joinpath(f"{name}.png").write_bytes(small)
    print(f"{name}.png: {len(picture)} bytes, with a palette {len(small)}")  # noqa: T201 - a tool


if __name__ == "__main__":
    asyncio.run(main())
