"""What somebody else does while a request is under way: checked once more before anything is done.

A body may take seconds to arrive, and a password takes its time to be checked.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from quart import Quart, Response

from service import idempotency
from service.db.statements import Connection
from service.models import access_tokens_table, books_table, sessions_table, users_table
from service.tokens.rules import MAX_TOKENS
from service.users import accounts, password_verification, queries
from tests.api.programs import A_BOOK, BOOKS, Program, Script, add_program, at_rest, problem
from tests.people import ORIGIN, PASSWORD, Browser, Person, count, rows
from tests.statements import observed
from tests.waiting import LONG_ENOUGH

ME = "/api/v1/me"
NEW = "another horse battery"
Meanwhile = Callable[[], Awaitable[Any]]


async def sent_slowly(
    app: Quart, method: str, path: str, body: object, headers: dict[str, str], meanwhile: Meanwhile
) -> Response:
    """The answer to a request whose body comes after what happens `meanwhile`."""
    data = json.dumps(body).encode()
    headers |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
    client = app.test_client(use_cookies=False)
    with authenticating(app) as authenticated:
        async with client.request(path, method=method, headers=headers) as connection:
            async with asyncio.timeout(LONG_ENOUGH):
                await authenticated.wait()
            await meanwhile()
            await connection.send(data)
            await connection.send_complete()
    return await connection.as_response()


@contextmanager
def authenticating(app: Quart) -> Iterator[asyncio.Event]:
    """Is set when the application has asked the database whose token or session it is."""
    authenticated = asyncio.Event()

    def note(statement: str) -> None:
        if "token_hash" in statement:
            authenticated.set()

    with observed(app, lambda _: None, note):
        yield authenticated


class Gate:
    """Lets the first password that is right be checked, and goes on when told so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        verify = accounts.verify

        async def wait(*args: Any) -> Any:
            verdict = await verify(*args)
            if not self.reached.is_set():
                self.reached.set()
                await self.opened.wait()
            return verdict

        monkeypatch.setattr(accounts, "verify", wait)

    async def answered(self, call: Awaitable[Response], meanwhile: Meanwhile) -> Response:
        """The answer to a call that checks a password before what happens `meanwhile`."""
        task = asyncio.ensure_future(call)
        await self.reached.wait()
        await meanwhile()
        self.opened.set()
        return await task


async def test_another_gets_the_account(app: Quart, stranger: Program, nobody: Browser) -> None:
    """Whoever deletes an account cannot go on as the person who registers after them."""
    old = {"email": "old@example.com", "password": PASSWORD}
    mallory, carol = Browser(app), nobody
    await mallory.post("/register", old | {"confirm": PASSWORD})
    headers = {"Origin": ORIGIN, "Cookie": f"readlog-session={mallory.cookie()}"}

    async def swap() -> None:
        await mallory.client.delete(ME, headers={"Origin": ORIGIN})
        await carol.post("/register", old | {"email": "carol@example.com", "confirm": PASSWORD})
        assert (await stranger.post("/api/v1/users", old)).status_code == 201

    body = {"current_password": PASSWORD, "password": NEW}
    response = await sent_slowly(app, "PATCH", ME, body, headers, swap)
    await problem(response, 401, "WRONG_CREDENTIALS")
    assert "Set-Cookie" not in response.headers
    assert (await carol.get("/profile")).status_code == 200
    login = {"email": "carol@example.com", "password": NEW}
    assert (await Browser(app).post("/login", login)).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"), [("POST", BOOKS), ("POST", f"{BOOKS}/batch"), ("PATCH", f"{BOOKS}/{{}}")]
)
@pytest.mark.parametrize("how", ["revoked", "deleted"])
async def test_token_ends(
    app: Quart, program: Program, alice: Person, bob: Person, method: str, path: str, how: str
) -> None:
    """From then on it writes nothing, whatever was under way."""
    [book_id] = await program.adds("Emma")
    ender = await add_program(app, alice.id)
    end = f"/api/v1/tokens/{program.token_id}" if how == "revoked" else ME
    batch = {"operations": [{"op": "create", "book": A_BOOK}]}
    body = batch if path.endswith("batch") else A_BOOK
    headers = {"Authorization": f"Bearer {program.token}", "Idempotency-Key": "one"}
    await at_rest(app)
    response = await sent_slowly(
        app, method, path.format(book_id), body, headers, lambda: ender.delete(end)
    )
    await problem(response, 401, "NOT_AUTHENTICATED")
    titles = [title for _, title in await rows(app, books_table.c.id, books_table.c.title)]
    assert titles == (["Emma"] if how == "revoked" else [])


@pytest.mark.parametrize("by", ["token", "login"])
async def test_password_changes(
    app: Quart,
    script: Script,
    alice: Person,
    stranger: Program,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    """What the old one opens after that would outlast it."""
    gate = Gate(monkeypatch)
    credentials = {"email": alice.email, "password": PASSWORD}
    if by == "token":
        call = stranger.post("/api/v1/tokens", credentials | {"name": "x"})
    else:
        call = Browser(app).post("/login", credentials)
    change = {"current_password": PASSWORD, "password": NEW}
    response = await gate.answered(call, lambda: script.patch(ME, change))
    assert response.status_code == 401
    assert await count(app, access_tokens_table) == 0
    assert await count(app, sessions_table) == 1  # that which changed it


async def test_password_changes_twice(
    app: Quart, script: Script, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two at once one is told that it came too late, though both have been let in."""
    both = asyncio.Barrier(2)
    lock_verified = password_verification.lock_verified

    async def lock_together(connection: Connection, *args: Any, **options: Any) -> None:
        with suppress(TimeoutError):  # SQLite lets one in after the other
            async with asyncio.timeout(1):
                await both.wait()
        await lock_verified(connection, *args, **options)

    monkeypatch.setattr("service.users.changes.lock_verified", lock_together)
    wanted = (NEW, "a third horse battery")
    changes = ({"current_password": PASSWORD, "password": text} for text in wanted)
    found = await asyncio.gather(*(script.patch(ME, change) for change in changes))
    assert sorted(response.status_code for response in found) == [200, 401]
    for response, text in zip(found, wanted, strict=True):
        credentials = {"email": alice.email, "password": text}
        signed_in = await Browser(app).post("/login", credentials)
        assert (signed_in.status_code == 303) == (response.status_code == 200)


async def test_address_changes_beside_a_key(
    app: Quart, script: Script, alice: Person, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other's end, and neither for what the other waits for."""
    claimed, held = asyncio.Event(), asyncio.Event()
    claim, change_email = idempotency.claim, accounts.change_email

    async def claim_first(*args: Any) -> Any:
        stored = await claim(*args)  # its row refers to the account
        claimed.set()
        await wait_for(held)
        return stored

    async def change_late(*args: Any) -> None:
        held.set()
        await change_email(*args)

    async def wait_for(event: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await event.wait()

    monkeypatch.setattr(idempotency, "claim", claim_first)
    monkeypatch.setattr(accounts, "change_email", change_late)
    adding = asyncio.ensure_future(program.post(BOOKS, A_BOOK, Idempotency_Key="one"))
    await claimed.wait()
    change = {"current_password": PASSWORD, "email": "new@example.com"}
    changed, added = await asyncio.gather(script.patch(ME, change), adding)
    assert (changed.status_code, added.status_code) == (200, 201)


@pytest.mark.parametrize("change", [{"password": NEW}, {"email": "new@example.com"}], ids=str)
async def test_session_ends(
    app: Quart,
    script: Script,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
) -> None:
    """A browser that was signed out changes nothing, though it knows the password."""
    [(session_id,)] = await rows(app, sessions_table.c.id)
    before = await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
    response = await Gate(monkeypatch).answered(
        script.patch(ME, {"current_password": PASSWORD} | change),
        lambda: program.delete(f"/api/v1/sessions/{session_id}"),
    )
    assert await count(app, sessions_table) == 0
    await problem(response, 401, "NOT_AUTHENTICATED")
    assert (
        await rows(app, users_table.c.id, users_table.c.email, users_table.c.password_hashed)
        == before
    )


@pytest.mark.parametrize("by", ["token", "login", "page", "patch"])
async def test_account_is_deleted(
    app: Quart,
    script: Script,
    alice: Person,
    program: Program,
    stranger: Program,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    """Then there is nobody to sign in or to make a token for."""
    gate = Gate(monkeypatch)
    credentials = {"email": alice.email, "password": PASSWORD}
    wish = {"name": "x", "scopes": "books:read", "days": "7", "password": PASSWORD}
    calls: dict[str, Callable[[], Awaitable[Response]]] = {
        "token": lambda: stranger.post("/api/v1/tokens", credentials | {"name": "x"}),
        "login": lambda: Browser(app).post("/login", credentials),
        "page": lambda: alice.post("/profile/tokens", wish),
        "patch": lambda: script.patch(ME, {"current_password": PASSWORD, "password": NEW}),
    }
    response = await gate.answered(calls[by](), lambda: program.delete(ME))
    assert response.status_code == 401
    assert (
        await count(app, users_table)
        == await count(app, sessions_table)
        == await count(app, access_tokens_table)
        == 0
    )


async def test_token_ends_itself_twice(program: Program) -> None:
    """Whoever comes second finds it done, or is nobody any more."""
    ends = (program.delete("/api/v1/tokens/current") for _ in range(6))
    found = [response.status_code for response in await asyncio.gather(*ends)]
    assert set(found) <= {204, 401}
    assert 204 in found


async def test_most_tokens_at_once(
    app: Quart, alice: Person, stranger: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one that there may be goes to one of those who ask at the same moment."""
    for _ in range(MAX_TOKENS - 1):
        await add_program(app, alice.id)
    count_tokens = queries.count_tokens

    async def count_slowly(*args: Any) -> int:
        found = await count_tokens(*args)
        await asyncio.sleep(0.3)
        return found

    monkeypatch.setattr(queries, "count_tokens", count_slowly)
    wish = {"email": alice.email, "password": PASSWORD, "name": "x"}
    found = await asyncio.gather(*(stranger.post("/api/v1/tokens", wish) for _ in range(4)))
    assert sorted(response.status_code for response in found) == [201, 409, 409, 409]
    assert await count(app, access_tokens_table) == MAX_TOKENS
