"""The cast: browsers as tests use them, and people who have an account and are signed in."""

import html
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from argon2 import PasswordHasher
from quart import Quart, Response
from sqlalchemy import Integer, bindparam, func, insert, select, text

from service import db
from service.auth.queries import add_session
from service.db.statements import Statement, scalar
from service.models import books_table
from service.security.passwords import LANES, MEMORY_KIB, PASSES
from service.security.tokens import hash_token, new_token
from service.users.queries import add_user as add_user_row
from tests.statements import run, run_on

ORIGIN = "http://localhost"
PASSWORD = "correct horse battery"
PASSWORD_HASH = PasswordHasher(PASSES, MEMORY_KIB, LANES).hash(PASSWORD)


class Browser:
    """A test client that keeps cookies, and sends Origin with forms as browsers do."""

    def __init__(self, app: Quart) -> None:
        self.app = app
        self.client = app.test_client()

    async def get(self, path: str, **options: Any) -> Response:
        return await self.client.get(path, **options)

    async def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Response:
        return await self.client.post(
            path, form=form or {}, headers={"Origin": ORIGIN, **(headers or {})}, **options
        )

    async def page(self, path: str) -> str:
        """The text of a page, as `text_of` gives it."""
        return await text_of(await self.get(path))

    def cookie(self, name: str = "readlog-session") -> str | None:
        """The value of a cookie that this browser holds."""
        for cookie in self.client.cookie_jar or ():
            if cookie.name == name:
                return cookie.value
        return None

    def set_cookie(self, value: str, name: str = "readlog-session") -> None:
        self.client.set_cookie("localhost", name, value)


class Person(Browser):
    """A browser whose user is signed in."""

    def __init__(self, app: Quart, user_id: int, email: str) -> None:
        super().__init__(app)
        self.id = user_id
        self.email = email

    async def has_books(self, *titles: str) -> list[int]:
        """Put books on this person's list without going through the pages; returns their ids."""
        add = insert(books_table).values(
            title=bindparam("book_title"), author="Somebody", user_id=bindparam("owner")
        )
        statement = Statement(add.returning(books_table.c.id), scalar)
        async with self.app.app_context(), db.transaction() as connection:
            return [
                await statement.one(connection, book_title=title, owner=self.id) for title in titles
            ]


async def add_person(app: Quart, email: str, password_hashed: str = PASSWORD_HASH) -> Person:
    """Somebody with an account, signed in."""
    token = new_token()
    async with app.app_context(), db.transaction() as connection:
        user = await add_user_row(connection, email, password_hashed)
        await add_session(connection, hash_token(token), user.id, timedelta(days=9999))
    person = Person(app, user.id, email)
    person.set_cookie(token)
    return person


async def add_user(app: Quart, email: str, password_hashed: str = PASSWORD_HASH) -> int:
    """An account whose owner is signed in nowhere; returns its id."""
    async with app.app_context(), db.transaction() as connection:
        return (await add_user_row(connection, email, password_hashed)).id


async def add_books(app: Quart, owner: int, number: int) -> None:
    """Put so many books on a list at once, past the service."""
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)"
    book = "INSERT INTO books (title, author, user_id) SELECT 'A title', 'Somebody', :owner FROM n"
    statement = text(f"{numbers} {book}").bindparams(
        bindparam("number", type_=Integer), bindparam("owner", type_=Integer)
    )
    for part in (*[10_000] * (number // 10_000), number % 10_000):
        await run(app, statement, number=part, owner=owner)


async def rows(app: Quart, *columns: Any) -> list[tuple[Any, ...]]:
    """What a table holds, by its first column."""
    return await run(app, select(*columns).order_by(columns[0]))


async def execute(app: Quart, *statements: str) -> None:
    """SQL, each statement committed by itself."""
    async with app.app_context(), db.read() as connection:
        for statement in statements:
            await run_on(connection, statement)


async def count(app: Quart, table: Any) -> int:
    """How many rows a table has."""
    [(number,)] = await run(app, select(func.count()).select_from(table))
    return int(number)


async def text_of(response: Response) -> str:
    """A page as a person reads it: without tags and comments, entities as characters."""
    text = re.sub("</?bdi>", "", await response.get_data(as_text=True))
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


__all__ = [
    "ORIGIN",
    "PASSWORD",
    "Browser",
    "Person",
    "add_books",
    "add_person",
    "add_user",
    "count",
    "rows",
    "text_of",
]
