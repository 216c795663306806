"""How often something may be tried: the counting, and what is counted beside signing in."""

import asyncio

import pytest
from quart import Quart

from service import db
from service.exceptions import TooManyRequestsError
from service.limits import buckets as limits
from service.limits.buckets import Limit
from service.limits.rules import REGISTRATIONS_PER_ADDRESS, WRITES_PER_USER
from service.models import rate_limits_table, users_table
from tests.clocks import Clock
from tests.people import PASSWORD, Browser, Person, count, rows

THREE = Limit("test", 3, 60)
HEADER = "X-Client-Address"


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    return {"CONFIG_TYPE": "testing", "DATABASE_URL": database_url, "CLIENT_IP_HEADER": HEADER}


async def attempt(app: Quart, who: str = "somebody", limit: Limit = THREE) -> bool:
    """Whether one more is let through."""
    async with app.app_context(), db.read() as connection:
        try:
            await limits.take(connection, limit.of(who))
        except TooManyRequestsError:
            return False
        return True


async def test_limit_counts(app: Quart, clock: Clock) -> None:
    assert [await attempt(app) for _ in range(5)] == [True] * 3 + [False] * 2
    assert await attempt(app, "another")
    assert await attempt(app, limit=Limit("other", 3, 60))


async def test_limit_decays(app: Quart, clock: Clock) -> None:
    """One more is let through each twenty seconds, and never more than three at once."""
    for _ in range(3):
        await attempt(app)
    await clock.advance(19)
    assert [await attempt(app), await attempt(app)] == [True, False], "to half an interval"
    await clock.advance(20)
    assert [await attempt(app), await attempt(app)] == [True, False]
    await clock.advance(3600)
    assert [await attempt(app) for _ in range(4)] == [True] * 3 + [False]


async def test_limit_refusals_do_not_count(app: Quart, clock: Clock) -> None:
    """Who goes on trying is not locked out for longer."""
    for _ in range(50):
        await attempt(app)
    await clock.advance(20)
    assert await attempt(app)


async def test_limit_at_the_same_moment(app: Quart, clock: Clock) -> None:
    """Of many at once exactly as many get through as there are places."""
    assert sorted(await asyncio.gather(*(attempt(app) for _ in range(12)))) == [
        *[False] * 9,
        *[True] * 3,
    ]


async def test_limit_clock_going_back(app: Quart, clock: Clock) -> None:
    """A clock that is set back neither locks people out for long nor gives a negative time."""
    await attempt(app)
    await clock.advance(-5)
    async with app.app_context(), db.read() as connection:
        await limits.take(connection, THREE.of("somebody"))
        with pytest.raises(TooManyRequestsError) as caught:
            await limits.take(connection, *[THREE.of("somebody")] * 3)
    assert caught.value.retry_after == 25


async def test_limit_keeps_no_address(app: Quart, clock: Clock) -> None:
    """The table cannot tell who tried what, and rows that mean nothing go."""
    await attempt(app, "192.0.2.1")
    [(key,)] = await rows(app, rate_limits_table.c.key)
    assert len(key) == 32
    assert b"192.0.2.1" not in key
    await clock.advance(3600)
    async with app.app_context(), db.read() as connection:
        await limits.delete_expired(connection)
    assert await count(app, rate_limits_table) == 0


async def test_register_per_address(app: Quart, clock: Clock) -> None:
    """Nobody fills the table with accounts, or finds out who has one, without end."""
    async with app.app_context(), db.read() as connection:
        for _ in range(REGISTRATIONS_PER_ADDRESS.count):
            await limits.take(connection, REGISTRATIONS_PER_ADDRESS.of("192.0.2.1"))
    form = {"email": "carol@example.com", "password": PASSWORD, "confirm": PASSWORD}
    response = await Browser(app).post("/register", form, {HEADER: "192.0.2.1"})
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) >= 1
    assert await count(app, users_table) == 0
    response = await Browser(app).post("/register", form, {HEADER: "192.0.2.2"})
    assert response.status_code == 303


@pytest.mark.parametrize("path", ["/books/add", "/books/1/edit", "/books/1/delete"])
async def test_writes_per_user(
    app: Quart, alice: Person, bob: Person, clock: Clock, path: str
) -> None:
    """One account cannot fill the database by itself, and does not slow down another."""
    async with app.app_context(), db.read() as connection:
        for _ in range(WRITES_PER_USER.count):
            await limits.take(connection, WRITES_PER_USER.of(str(alice.id)))
    assert (await alice.post(path)).status_code == 429
    assert (await bob.post(path)).status_code in (404, 422)
