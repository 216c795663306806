"""How often something may be tried, and by whom."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from quart import Quart, Response

from service import db
from service.app import create_app
from service.config import Settings
from service.exceptions import TooManyRequestsError
from service.limiting import (
    LOGIN_PER_ACCOUNT,
    LOGIN_PER_ADDRESS,
    REGISTRATIONS_PER_ADDRESS,
    WRITES_PER_USER,
)
from service.models import RateLimit, User
from service.security import limits
from service.security.limits import Limit
from tests.clocks import Clock, stop_limits_clock
from tests.people import PASSWORD, Browser, Person, add_user, count, rows, text_of

EMAIL = "carol@example.com"
HEADER = "X-Client-Address"
THREE = Limit("test", 3, 60)


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    return {"CONFIG_TYPE": "testing", "DATABASE_URL": database_url, "CLIENT_IP_HEADER": HEADER}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stop_limits_clock(monkeypatch)


@pytest.fixture(autouse=True)
def _quick_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted here does not depend on how dear a hash is."""
    monkeypatch.setattr("service.security.passwords.MEMORY_KIB", 8)
    monkeypatch.setattr("service.security.passwords.PASSES", 1)
    monkeypatch.setattr("service.security.passwords._nobodys_hash", lambda argon2: "")


@pytest.fixture
async def second_app(settings: Settings) -> AsyncIterator[Quart]:
    """Another process of the service, on the same database."""
    app = create_app(settings)
    async with app.test_app():
        yield app


async def fail(app: Quart, email: str = EMAIL, address: str = "192.0.2.1") -> Response:
    form = {"email": email, "password": "wrong horse battery"}
    return await Browser(app).post("/login", form, {HEADER: address})


async def succeed(app: Quart, email: str = EMAIL, address: str = "192.0.2.1") -> Response:
    form = {"email": email, "password": PASSWORD}
    return await Browser(app).post("/login", form, {HEADER: address})


async def statuses(app: Quart, number: int, **options: str) -> list[int]:
    return [(await fail(app, **options)).status_code for _ in range(number)]


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
    clock.advance(19)
    assert [await attempt(app), await attempt(app)] == [True, False], "to half an interval"
    clock.advance(20)
    assert [await attempt(app), await attempt(app)] == [True, False]
    clock.advance(3600)
    assert [await attempt(app) for _ in range(4)] == [True] * 3 + [False]


async def test_limit_refusals_do_not_count(app: Quart, clock: Clock) -> None:
    """Who goes on trying is not locked out for longer."""
    for _ in range(50):
        await attempt(app)
    clock.advance(20)
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
    clock.advance(-5)
    async with app.app_context(), db.read() as connection:
        await limits.take(connection, THREE.of("somebody"))
        with pytest.raises(TooManyRequestsError) as caught:
            await limits.take(connection, *[THREE.of("somebody")] * 3)
    assert 1 <= caught.value.retry_after <= 30


async def test_limit_keeps_no_address(app: Quart, clock: Clock) -> None:
    """The table cannot tell who tried what, and rows that mean nothing go."""
    await fail(app)
    keys = [key for (key,) in await rows(app, RateLimit.key)]
    assert [len(key) for key in keys] == [32, 32]
    assert not any(b"192.0.2.1" in key or b"carol" in key for key in keys)
    clock.advance(3600)
    async with app.app_context(), db.read() as connection:
        await limits.delete_expired(connection)
    assert await count(app, RateLimit) == 0
