"""What many do at the same moment, and only one of them can have done."""

import asyncio
from pathlib import Path

from tests.faults.conftest import sign_up
from tests.faults.history import History, Reader, check_answers, send
from tests.migrations.databases import Database
from tests.servers import gunicorn

AT_ONCE = 50
PASSWORD = "correct horse battery"
VARIABLES = {"CONFIG_TYPE": "testing", "MIGRATE_ON_START": "0", "RATE_LIMITS": "0"}


async def test_one_address(database_url: str) -> None:
    """One of fifty gets the account; the others are told that it is taken, or to come back."""
    database = Database(database_url)
    fields = {"email": "alice@example.com", "password": PASSWORD, "confirm": PASSWORD}
    with gunicorn(VARIABLES | {"DATABASE_URL": database.url}) as service:
        answers = await asyncio.gather(
            *(send(service.url, "POST", "/register", fields) for _ in range(AT_ONCE))
        )
        assert "unforeseen error" not in service.log()
    statuses = [answer.status for answer in answers if answer is not None]
    assert len(statuses) == AT_ONCE
    assert statuses.count(303) == 1
    assert statuses.count(422) > 0
    assert set(statuses) <= {303, 422, 503}
    assert database.rows("SELECT email FROM users") == [("alice@example.com",)]
    assert database.value("SELECT count(*) FROM sessions") == 1


async def test_one_book(database_url: str, tmp_path: Path) -> None:
    """Edited and deleted by fifty of its owner's tabs: whole until it is gone, and gone once."""
    database = Database(database_url)
    [reader] = await sign_up(database, tmp_path, 1)
    with gunicorn(VARIABLES | {"DATABASE_URL": database.url}) as service:
        history = History(service.url)
        for _ in range(3):
            await history.do("add", reader)
        [(book,), *_] = database.rows("SELECT id FROM books ORDER BY id")
        statuses = await asyncio.gather(
            *(change(service.url, reader, book, number) for number in range(AT_ONCE))
        )
        assert "unforeseen error" not in service.log()
    check_answers(history.operations)
    assert set(statuses) <= {303, 404, 503}
    deleted = [status for number, status in enumerate(statuses) if number % 10 == 9]
    assert deleted.count(303) <= 1
    there = database.value(f"SELECT count(*) FROM books WHERE id = {book}")
    assert there == 0 or 303 not in deleted
    assert database.value("SELECT count(*) FROM books") == 2 + there


async def change(url: str, reader: Reader, book: int, number: int) -> int:
    if number % 10 == 9:
        answer = await send(url, "POST", f"/books/{book}/delete", {"sure": "yes"}, reader.cookie)
    else:
        fields = {"book_title": f"tab {number}", "book_author": "Somebody", "book_rating": "1"}
        answer = await send(url, "POST", f"/books/{book}/edit", fields, reader.cookie)
    assert answer is not None
    return answer.status
