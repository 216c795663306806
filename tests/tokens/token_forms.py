"""The form that makes access tokens, as tests fill it in, and programs that use them."""

import re
from typing import Any
from urllib.parse import urlencode

from quart import Quart, Response

from service import db
from service.tokens import rules as tokens
from service.users.forms import TokenWish
from tests.people import ORIGIN, PASSWORD, Browser, Person
from tests.wire import FORM

PATH = "/profile/tokens"
HEADERS = {"Origin": ORIGIN, "Content-Type": FORM}
TEXT = re.compile(r"rl_[0-9a-zA-Z]{36}")


def a_token(**fields: Any) -> dict[str, Any]:
    """The form, with fields other than usual; a list is a field sent several times."""
    usual = {"name": "Backup", "scopes": ["books:read"], "days": "30", "password": PASSWORD}
    return {**usual, **fields}


async def send_form(browser: Browser, **fields: Any) -> Response:
    """Send the form."""
    body = urlencode(a_token(**fields), doseq=True)
    return await browser.client.post(PATH, data=body, headers=HEADERS)


async def make(person: Person, **fields: Any) -> str:
    """Make a token on the page; returns its text."""
    response = await send_form(person, **fields)
    assert response.status_code == 201
    [text] = TEXT.findall(await response.get_data(as_text=True))
    return str(text)


async def has_tokens(app: Quart, person: Person, *names: str) -> list[int]:
    """Give somebody tokens without going through the pages; returns their ids."""
    ids = []
    async with app.app_context(), db.transaction() as session:
        for name in names:
            made = await tokens.make_token(session, person.id, TokenWish(name=name))
            ids.append(made.row.id)
    return ids


async def call(app: Quart, text: str, path: str = "/api/v1/books") -> int:
    """The status that a program with this token gets."""
    client = app.test_client(use_cookies=False)
    response = await client.get(path, headers={"Authorization": f"Bearer {text}"})
    return response.status_code
