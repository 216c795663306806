"""The list without Quart: it says what the ordinary way says, to the byte."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from asyncpg.exceptions import InternalClientError
from quart import Quart, Response

from service.api.polled_list import PolledList
from tests.api.programs import BOOKS, Program, add_program, at_rest, counted, expire, problem
from tests.etags import FORMS, OTHERS
from tests.people import Person

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

ASKED: list[tuple[str, Mapping[str, str]]] = [
    ("", {}),
    ("?limit=2", {}),
    ("?limit=2&sort=title", {"Accept": "application/json"}),
    ("?limit=1&count=true", {}),
    ("?limit=0", {}),
    ("?limit=1&limit=2", {}),
    ("?colour=red", {}),
    ("?after=nonsense", {}),
    ("?sort=%FF", {}),
    ("", {"Accept": "text/html"}),
    ("", {"Accept": "text/html, */*;q=0.1"}),
    ("", {"If-None-Match": "*"}),
    ("", {"If-None-Match": '"1-1", W/"x"'}),
    ("", {"If-None-Match": ""}),
    ("", {"X-Forwarded-Proto": "http"}),
    ("", {"X-Junk": "x" * 40_000}),
    ("", {"Cookie": "readlog-session=wrong"}),
    ("", {"Authorization": "Basic YTpi"}),
    ("", {"Authorization": "Bearer rl_wrong"}),
    ("", {"Authorization": "Bearer"}),
]


async def told(response: Response) -> tuple[int, Mapping[str, str], Any]:
    """What an answer says, but for the request's id."""
    headers = {name.lower(): value for name, value in response.headers}
    del headers["x-request-id"]
    if response.mimetype != "application/problem+json":
        return response.status_code, headers, await response.get_data(as_text=False)
    return response.status_code, headers, await response.get_json(force=True) | {"request_id": ""}


async def pass_on(*_: object) -> None:
    """Answer nothing, in place of `PolledList.answer`."""


@pytest.fixture
def without_view(app: Quart, program: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The ordinary way ends in a 500."""

    async def fail() -> None:
        raise AssertionError("the ordinary way")

    monkeypatch.setitem(app.view_functions, "api_books.list_books", fail)
    return program


@pytest.mark.parametrize(("query", "headers"), ASKED)
async def test_same_answers(
    program: Program, query: str, headers: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await program.adds("a", "b", "c & d")
    short = await told(await program.call("GET", BOOKS + query, headers=headers))
    monkeypatch.setattr(PolledList, "answer", pass_on)
    assert await told(await program.call("GET", BOOKS + query, headers=headers)) == short


async def test_same_comparison(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways know the same tags again, whatever a proxy makes of them."""
    etag = (await program.get()).headers["ETag"]
    answers = []
    for shortcuts in (True, False):
        if not shortcuts:
            monkeypatch.setattr(PolledList, "answer", pass_on)
        for known in [change(etag) for change in (*FORMS.values(), *OTHERS.values())]:
            answers.append(await told(await program.get(If_None_Match=known)))
    assert answers[: len(answers) // 2] == answers[len(answers) // 2 :]
    assert [status for status, *_ in answers].count(304) == 2 * len(FORMS)


async def test_same_parts(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    await program.adds("a", "b", "c", "d", "e")
    parts = []
    for shortcuts in (True, False):
        if not shortcuts:
            monkeypatch.setattr(PolledList, "answer", pass_on)
        address: str | None = f"{BOOKS}?limit=2&sort=-title"
        while address:
            response = await program.get(address)
            parts.append(await told(response))
            after = (await response.get_json())["next"]
            address = after and f"{BOOKS}?limit=2&sort=-title&after={after}"
    assert len(parts) == 6
    assert parts[:3] == parts[3:]


async def test_taken(without_view: Program) -> None:
    """Also for a list that is unchanged, whatever form of its tag a program sends."""
    first = await without_view.get(f"{BOOKS}?limit=1")
    assert first.status_code == 200
    await at_rest(without_view.app)
    etag = first.headers["ETag"]
    same = [*(form(etag) for form in FORMS.values()), f'W/{etag}, "x"']
    others = [other(etag) for other in OTHERS.values()]
    for known, status in [*((it, 304) for it in same), *((it, 200) for it in others)]:
        assert (await without_view.get(If_None_Match=known)).status_code == status


async def test_refusals_are_passed_on(program: Program, app: Quart, alice: Person) -> None:
    other = await add_program(app, alice.id, ["account:read"])
    refused = await other.get()
    await problem(refused, 403, "INSUFFICIENT_SCOPE")
    assert 'scope="books:read"' in refused.headers["WWW-Authenticate"]
    await expire(program.app, program.token_id)
    for token in ("rl_wrong", program.token):
        refused = await program.get(Authorization=f"Bearer {token}")
        await problem(refused, 401, "NOT_AUTHENTICATED")
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_fault(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is answered like everywhere else."""

    async def fail(*_: object) -> None:
        raise RuntimeError("a fault of the service")

    monkeypatch.setattr("service.books.queries.list_books_in_order", fail)
    refused = await program.get()
    await problem(refused, 500, "INTERNAL_SERVER_ERROR")
    assert "X-Request-ID" in refused.headers


async def test_stopping(without_view: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that the server ends is answered."""

    async def end(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(PolledList, "answer", end)
    refused = await without_view.get()
    await problem(refused, 503, "STOPPING")
    assert refused.headers["Retry-After"] == "2"


async def test_use_is_noted(without_view: Program, app: Quart) -> None:
    await without_view.get()
    await at_rest(app)
    found = await (await without_view.get("/api/v1/tokens")).get_json()
    assert found["items"][0]["last_used_at"] is not None


async def test_statements_are_observed(app: Quart, without_view: Program) -> None:
    """A trace has them."""
    await without_view.get()
    async with counted(app) as statements:
        assert (await without_view.get()).status_code == 200
    assert len(statements) == 2


async def test_all_connections_in_use(
    app: Quart, without_view: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused like everywhere else when none became free in time."""
    monkeypatch.setattr("service.db.connection_queue.POOL_TIMEOUT", 0.05)
    pool = app.extensions["database"].pool
    await at_rest(app)
    async with AsyncExitStack() as stack:
        for _ in range(pool.queue.size):
            await stack.enter_async_context(pool.connect())
        refused = await without_view.get()
    await problem(refused, 503, "DATABASE_UNAVAILABLE")
    assert (await without_view.get()).status_code == 200


async def test_connection_is_given_back(app: Quart, without_view: Program) -> None:
    """Whatever came of the request."""
    pool = app.extensions["database"].pool
    several: list[Mapping[str, str]] = [{}, {"If-None-Match": "*"}, {"Authorization": "Bearer no"}]
    for headers in several:
        await asyncio.gather(*(without_view.call("GET", BOOKS, headers=headers) for _ in range(3)))
        await at_rest(app)
        assert pool.queue.in_use == 0


@pytest.mark.parametrize(
    "error", [TimeoutError(), ConnectionResetError(), InternalClientError("lost")]
)
async def test_statement_fails(
    app: Quart, program: Program, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Asked once, refused like everywhere else; the connection is not used again."""
    await program.get()
    await at_rest(app)
    asked = []

    async def fail(connection: asyncpg.Connection, *_: object) -> None:
        asked.append(connection)
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "fetch", fail)
        refused = await program.get()
    await problem(refused, 503, "DATABASE_UNAVAILABLE")
    assert "Retry-After" in refused.headers
    assert len(asked) == 1
    assert asked[0].is_closed() or isinstance(error, ConnectionResetError)
    assert (await program.get()).status_code == 200
