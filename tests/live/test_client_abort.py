"""Clients that hang up in the middle leave whole rows or none, and hold nothing on to."""

import asyncio
import secrets

from tests.live.sockets import Connection, ask, form, form_headers, post, request
from tests.migrations.databases import Database
from tests.servers import Gunicorn

CLIENTS = 60
ATTEMPTS = 5
PAUSE = 0.2  # seconds between two looks
SETTLED = 15.0  # seconds in which everything under way must have come to its end
PASSWORD = "a calm river in winter"
BUSY = """
    SELECT state, query FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


async def register_and_hang_up(url: str, email: str, *, sent: float, after: float) -> None:
    """Send this share of a registration, wait some seconds, and be gone."""
    data = form({"email": email, "password": PASSWORD, "confirm": PASSWORD})
    whole = request(url, "POST", "/register", *form_headers(url), body=data)
    start = len(whole) - len(data)
    async with Connection.to(url) as connection:
        await connection.send(whole[: start + int(sent * len(data))])
        await asyncio.sleep(after)
        connection.abort()


def addresses(database: Database) -> set[str]:
    return {email for (email,) in database.rows("SELECT email FROM users")}


async def settle(database: Database) -> list[object]:
    """Wait until nothing changes any more; what is busy even then is left behind."""
    busy: list[object] = []
    before, quiet = None, 0
    for _ in range(int(SETTLED / PAUSE)):
        busy = [] if database.is_sqlite else [*database.rows(BUSY)]
        now = addresses(database)
        quiet = quiet + 1 if now == before and not busy else 0
        if quiet * PAUSE >= 1:
            break
        before = now
        await asyncio.sleep(PAUSE)
    return busy


async def test_client_abort(server: Gunicorn, environment: dict[str, str]) -> None:
    url, database = server.url, Database(environment["DATABASE_URL"])
    emails = {f"{secrets.token_hex(4)}@example.com": number for number in range(CLIENTS)}
    async with asyncio.TaskGroup() as group:
        for email, number in emails.items():
            sent = 1.0 if number % 3 else 0.5
            # From at once to long after the whole was done.
            after = 0.02 * number / 2
            group.create_task(register_and_hang_up(url, email, sent=sent, after=after))

    assert await settle(database) == []
    registered = addresses(database)
    halves = {email for email, number in emails.items() if number % 3 == 0}
    assert registered <= set(emails) - halves
    assert registered, "nobody was fast enough"
    # Who is there was signed in by the same transaction: the account is whole.
    owners = database.rows("SELECT users.email FROM sessions JOIN users ON users.id = user_id")
    assert sorted(owner for (owner,) in owners) == sorted(registered)

    assert (await ask(url, "GET", "/readyz")).status == 200
    for email in emails:
        password = {"email": email, "password": PASSWORD, "confirm": PASSWORD}
        for _ in range(ATTEMPTS):
            again = await post(url, "/register", password)
            if again.status != 503:  # somebody else has the disk, or the processor
                break
        assert again.status == (422 if email in registered else 303)
