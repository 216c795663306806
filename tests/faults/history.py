"""A modest mixed load whose every operation is written down, and what must be true afterwards.

An operation is "ok" (2xx, 3xx), "refused" (4xx) or "unknown": 5xx, or no answer at all.
"""

import asyncio
import itertools
import random
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.live.sockets import Answer, Connection, form, form_headers, request
from tests.migrations.databases import Database

Outcome = Literal["ok", "refused", "unknown"]
Kind = Literal["add", "wrong", "list", "register", "login"]

AUTHOR = "George Eliot"
RATING = 4
PASSWORD = "correct horse battery"
COMMON: tuple[Kind, ...] = ("add", "list", "list", "add", "wrong", "list", "add", "list")
RARE: tuple[Kind, ...] = ("register", "login")


@dataclass(frozen=True)
class Operation:
    """`text` is the title or the address that it is about; `began` is time.monotonic()."""

    kind: Kind
    user_id: int
    text: str
    answer: Answer | None = field(repr=False)
    began: float
    seconds: float

    @property
    def status(self) -> int | None:
        return self.answer.status if self.answer else None

    @property
    def outcome(self) -> Outcome:
        status = self.status or 500
        return "ok" if status < 400 else "refused" if status < 500 else "unknown"


@dataclass(frozen=True)
class Reader:
    """Somebody who is signed in."""

    id: int
    email: str
    cookie: str


@dataclass
class History:
    """What was asked of the service at `url`, and what it answered."""

    url: str
    operations: list[Operation] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _tag: str = field(default_factory=lambda: secrets.token_hex(4))

    async def do(self, kind: Kind, reader: Reader) -> Operation:
        """One operation, on a connection of its own."""
        text = f"{kind}-{self._tag}-{next(self._numbers)}"
        if kind in RARE:
            text = reader.email if kind == "login" else f"{text}@example.com"
        began = time.monotonic()
        answer = await self._send(kind, reader, text)
        took = time.monotonic() - began
        self.operations.append(Operation(kind, reader.id, text, answer, began, took))
        return self.operations[-1]

    @contextmanager
    def load(
        self, readers: Iterable[Reader], *, each: int = 1, pause: float = 0.02
    ) -> Iterator[None]:
        """Everybody does one thing after the other, `each` times at once, while the block runs.

        What is under way at the end is waited for by `finish`.
        """
        self._stop = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._keep_on(reader, pause))
            for reader in readers
            for _ in range(each)
        ]
        try:
            yield
        finally:
            self._stop.set()

    async def finish(self) -> None:
        await asyncio.gather(*self._tasks)

    def since(self, moment: float) -> list[Operation]:
        """Those that began after a moment."""
        return [operation for operation in self.operations if operation.began > moment]

    async def _keep_on(self, reader: Reader, pause: float) -> None:
        for number in itertools.count(random.randrange(len(COMMON))):
            if self._stop.is_set():
                return
            rare = number % 25 == 0
            await self.do(random.choice(RARE) if rare else COMMON[number % len(COMMON)], reader)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))

    async def leave(self, kind: Kind, reader: Reader) -> None:
        """The same, but hang up at some moment: whatever became of it, nobody waited to be told."""
        text = f"{kind}-{self._tag}-{next(self._numbers)}"
        began = time.monotonic()
        data = message(self.url, *_request(kind, reader, text))
        async with Connection.to(self.url) as connection:
            # Half of them send everything; some see the answer begin.
            await connection.send(data[: random.choice([len(data), random.randrange(len(data))])])
            await connection.first(random.uniform(0, 0.15))
            connection.abort()
        took = time.monotonic() - began
        self.operations.append(Operation(kind, reader.id, text, None, began, took))

    async def _send(self, kind: Kind, reader: Reader, text: str) -> Answer | None:
        return await send(self.url, *_request(kind, reader, text))


def _request(kind: Kind, reader: Reader, text: str) -> tuple[str, str, dict[str, str], str]:
    """Method, path, form and cookie."""
    if kind == "list":
        return "GET", "/books/", {}, reader.cookie
    if kind in ("add", "wrong"):
        rating = str(RATING) if kind == "add" else "99"
        fields = {"book_title": text, "book_author": AUTHOR, "book_rating": rating}
        return "POST", "/books/add", fields, reader.cookie
    return "POST", f"/{kind}", {"email": text, "password": PASSWORD, "confirm": PASSWORD}, ""


async def send(
    url: str, method: str, path: str, fields: dict[str, str] | None = None, cookie: str = ""
) -> Answer | None:
    """One request on a connection of its own; None where the connection ended instead."""
    with suppress(OSError, asyncio.IncompleteReadError):
        async with Connection.to(url) as connection:
            await connection.send(message(url, method, path, fields or {}, cookie))
            return await connection.answer(method)
    return None


def message(url: str, method: str, path: str, fields: dict[str, str], cookie: str) -> bytes:
    """A request, after which the server is to close the connection."""
    headers = form_headers(url, cookie) if fields else [f"Cookie: {cookie}"] if cookie else []
    return request(url, method, path, *headers, "Connection: close", body=form(fields))


def check_rows(history: History, database: Database) -> None:
    """Every acknowledged write is there once and whole, every refused one is absent.

    What is unknown may be either, and nothing is there that nobody asked for.
    """
    books = database.rows("SELECT title, author, rating, user_id FROM books")
    titles = Counter(title for title, *_ in books)
    assert not [title for title, times in titles.items() if times > 1], "written twice"
    asked = {op.text: op for op in history.operations if op.kind in ("add", "wrong")}
    for title, author, rating, user_id in books:
        assert (author, rating, user_id) == (AUTHOR, RATING, asked[title].user_id)
    _check_presence(asked.values(), set(titles))

    signed_in = "SELECT email FROM users WHERE id IN (SELECT user_id FROM sessions)"
    emails = [email for (email,) in database.rows("SELECT email FROM users")]
    assert len(emails) == len(set(emails))
    # Registering signs in, in the same transaction; so does whoever the test put there.
    assert set(emails) == {email for (email,) in database.rows(signed_in)}, "half an account"
    _check_presence((op for op in history.operations if op.kind == "register"), set(emails))


def _check_presence(operations: Iterable[Operation], there: set[str]) -> None:
    for operation in operations:
        if operation.outcome == "ok":
            assert operation.text in there, f"acknowledged, and lost: {operation}"
        if operation.outcome == "refused":
            assert operation.text not in there, f"refused, and there: {operation}"


def check_answers(operations: Iterable[Operation], *, within: float = 20.0) -> None:
    """Each was answered in time, and no answer is worse than a 503 that says when to come back."""
    for operation in operations:
        answer = operation.answer
        assert answer is not None, f"no answer: {operation}"
        assert operation.seconds <= within, f"too late: {operation}"
        assert answer.status < 500 or is_try_later(answer), (answer.status, operation)


def is_try_later(answer: Answer) -> bool:
    """Whether it is a 503 as it should be: a page, with the time to come back."""
    retry_after = int(answer.headers.get("retry-after", "0"))
    return answer.status == 503 and 1 <= retry_after <= 60 and b"Error 503" in answer.body
