"""Programs that call the API, and what their answers must look like whatever they are about."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from quart import Quart, Response
from sqlalchemy import update

from service import db
from service.models import DatabaseNow, access_tokens_table
from service.tokens import rules as tokens
from service.users.forms import SCOPES, Scope, TokenWish
from tests.people import ORIGIN, Person
from tests.servers import ROOT
from tests.statements import observed, run

MANUAL = (ROOT / "docs" / "api.md").read_text()
BOOKS = "/api/v1/books"
A_BOOK: dict[str, Any] = {"title": "Middlemarch", "author": "George Eliot", "rating": 5}


class Program:
    """Sends JSON with a token, or without one where it has none, and keeps no cookies."""

    def __init__(self, app: Quart, token: str | None = None, token_id: int = 0) -> None:
        self.app = app
        self.token = token
        self.token_id = token_id
        self._client = app.test_client(use_cookies=False)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Response:
        sent = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        sent |= headers or {}
        if body is not None:
            sent = {"Content-Type": "application/json"} | sent
            options["data"] = json.dumps(body)
        return await self._client.open(path, method=method, headers=sent, **options)

    async def get(self, path: str = BOOKS, **headers: str) -> Response:
        """Header names are given with underscores."""
        return await self.call("GET", path, headers=_names(headers))

    async def post(self, path: str, body: Any, **headers: str) -> Response:
        return await self.call("POST", path, body, _names(headers))

    async def put(self, path: str, body: Any, **headers: str) -> Response:
        return await self.call("PUT", path, body, _names(headers))

    async def patch(self, path: str, body: Any, **headers: str) -> Response:
        return await self.call("PATCH", path, body, _names(headers))

    async def delete(self, path: str, **headers: str) -> Response:
        return await self.call("DELETE", path, headers=_names(headers))

    async def adds(self, *titles: str) -> list[int]:
        """Add books, one after the other; returns their ids."""
        ids = []
        for title in titles:
            made = await self.post(BOOKS, A_BOOK | {"title": title})
            assert made.status_code == 201
            ids.append((await made.get_json())["id"])
        return ids


class Script(Program):
    """A script of our own pages: the session's cookie signs its calls in."""

    def __init__(self, person: Person) -> None:
        super().__init__(person.app)
        self.person = person

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Response:
        sent = {"Origin": ORIGIN, "Cookie": f"readlog-session={self.person.cookie()}"}
        return await super().call(method, path, body, sent | dict(headers or {}), **options)


async def add_program(
    app: Quart, owner: int, scopes: Sequence[Scope] = SCOPES, expires_in: int = 3600
) -> Program:
    """A program with a token of its own."""
    wish = TokenWish(name="a program", scopes=list(scopes), expires_in=expires_in)
    async with app.app_context(), db.transaction() as session:
        made = await tokens.make_token(session, owner, wish)
    return Program(app, made.text, made.row.id)


async def expire(app: Quart, token_id: int) -> None:
    """That token ended a second ago."""
    ended = DatabaseNow(timedelta(seconds=-1))
    statement = (
        update(access_tokens_table)
        .where(access_tokens_table.c.id == token_id)
        .values(expires_at=ended)
    )
    await run(app, statement)


async def problem(response: Response, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer tells of; fails unless it has everything that one must have."""
    assert response.status_code == status, await response.get_data(as_text=True)
    assert response.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = await response.get_json(force=True)
    own = {"errors"} if code == "INVALID_INPUT" else set()
    assert found.keys() == {"type", "title", "status", "detail", "code", "request_id"} | own
    assert (found["status"], found["code"]) == (status, code)
    assert re.fullmatch("[A-Z][A-Z_]+", code)
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == response.headers["X-Request-ID"]
    return found


async def wrong_fields(response: Response) -> list[tuple[str, str]]:
    """Names and codes of the fields that were refused."""
    found = await problem(response, 422, "INVALID_INPUT")
    assert all(set(error) == {"field", "message", "code"} for error in found["errors"])
    assert all(error["message"] for error in found["errors"])
    unknown = [error["code"] for error in found["errors"] if f"`{error['code']}`" not in MANUAL]
    assert not unknown, "a code that docs/api.md does not tell of"
    return [(error["field"], error["code"]) for error in found["errors"]]


@asynccontextmanager
async def counted(app: Quart) -> AsyncIterator[list[str]]:
    """The statements and commits that the application sends in the block, none from before it."""
    await at_rest(app)
    statements: list[str] = []
    with observed(app, statements.append):
        yield statements


async def at_rest(app: Quart) -> None:
    """Wait for what the application does beside its answers."""
    await asyncio.gather(*app.background_tasks)


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
