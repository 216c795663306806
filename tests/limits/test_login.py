"""How often signing in may be tried, and by whom."""

import pytest
from quart import Quart, Response

from service.app import create_app
from service.config import Settings
from service.limits.rules import LOGIN_PER_ACCOUNT, LOGIN_PER_ADDRESS
from service.models import rate_limits_table
from tests.clocks import Clock
from tests.people import PASSWORD, Browser, add_user, count, text_of

EMAIL = "carol@example.com"
HEADER = "X-Client-Address"


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    return {"CONFIG_TYPE": "testing", "DATABASE_URL": database_url, "CLIENT_IP_HEADER": HEADER}


@pytest.fixture(autouse=True)
def _quick_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted here does not depend on how dear a hash is."""
    monkeypatch.setattr("service.security.passwords.MEMORY_KIB", 8)
    monkeypatch.setattr("service.security.passwords.PASSES", 1)
    monkeypatch.setattr("service.security.passwords._nobodys_hash", lambda argon2: "")


async def fail(app: Quart, email: str = EMAIL, address: str = "192.0.2.1") -> Response:
    form = {"email": email, "password": "wrong horse battery"}
    return await Browser(app).post("/login", form, {HEADER: address})


async def succeed(app: Quart, email: str = EMAIL, address: str = "192.0.2.1") -> Response:
    form = {"email": email, "password": PASSWORD}
    return await Browser(app).post("/login", form, {HEADER: address})


async def statuses(app: Quart, number: int, **options: str) -> list[int]:
    return [(await fail(app, **options)).status_code for _ in range(number)]


async def test_login_per_account(app: Quart, clock: Clock) -> None:
    """Guesses at one account are few, from however many addresses and in however many spellings."""
    await add_user(app, EMAIL)
    allowed = LOGIN_PER_ACCOUNT.count
    assert allowed <= 100, "NIST SP 800-63B"
    answers = []
    for number in range(allowed + 3):
        spelling = EMAIL if number % 2 else EMAIL.upper()
        answers.append((await fail(app, spelling, f"192.0.2.{number}")).status_code)
    assert answers == [401] * allowed + [429] * 3
    assert (await fail(app, "other@example.com", "192.0.2.1")).status_code == 401


async def test_login_per_account_without_an_account(app: Quart, clock: Clock) -> None:
    """An address without an account is limited alike, or the limit would tell."""
    found = [
        (await fail(app, "unknown@example.com", f"192.0.2.{number}")).status_code
        for number in range(LOGIN_PER_ACCOUNT.count + 1)
    ]
    assert found == [401] * LOGIN_PER_ACCOUNT.count + [429]


async def test_login_per_address(app: Quart, clock: Clock) -> None:
    """One address that tries many accounts is stopped; others are not."""
    allowed = LOGIN_PER_ADDRESS.count
    found = [
        (await fail(app, f"user{number}@example.com")).status_code for number in range(allowed + 2)
    ]
    assert found == [401] * allowed + [429] * 2
    other = await fail(app, "user0@example.com", "192.0.2.2")
    assert other.status_code == 401


async def test_login_per_network(app: Quart, clock: Clock) -> None:
    """Somebody with a whole IPv6 network is one somebody."""
    allowed = LOGIN_PER_ADDRESS.count
    found = [
        (await fail(app, f"user{n}@example.com", f"2001:db8:1:2::{n:x}")).status_code
        for n in range(allowed + 1)
    ]
    assert found[-2:] == [401, 429]
    assert (await fail(app, "x@example.com", "2001:db8:1:3::1")).status_code == 401


async def test_login_answer_at_the_limit(app: Quart, clock: Clock) -> None:
    """429 says in whole seconds when to come back, and coming back then works."""
    await add_user(app, EMAIL)
    await statuses(app, LOGIN_PER_ACCOUNT.count)
    response = await succeed(app)
    assert response.status_code == 429
    seconds = int(LOGIN_PER_ACCOUNT.interval)
    assert response.headers["Retry-After"] == str(seconds)
    assert f"Please try again in {seconds} seconds." in await text_of(response)
    await clock.advance(seconds)
    assert (await succeed(app)).status_code == 303


@pytest.mark.parametrize(("later", "told"), [(0.4, 30), (1, 29), (1.5, 29), (14, 16)])
async def test_login_answer_later(app: Quart, clock: Clock, later: float, told: int) -> None:
    """What is left to wait is rounded up, and by no more than that."""
    await statuses(app, LOGIN_PER_ACCOUNT.count)
    await clock.advance(later)
    refused = await fail(app)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(told))


async def test_login_successes_do_not_count(app: Quart, clock: Clock) -> None:
    """An office behind one address, or a script, may sign in all day."""
    await add_user(app, EMAIL)
    for _ in range(LOGIN_PER_ADDRESS.count + 5):
        assert (await succeed(app)).status_code == 303
    assert await statuses(app, LOGIN_PER_ACCOUNT.count + 1) == [
        *[401] * LOGIN_PER_ACCOUNT.count,
        429,
    ]


async def test_login_success_forgives_nothing_else(app: Quart, clock: Clock) -> None:
    """A thief who owns one account gets no more guesses at others by signing in between."""
    await add_user(app, EMAIL)
    allowed = LOGIN_PER_ADDRESS.count
    for number in range(allowed):
        assert (await fail(app, f"user{number}@example.com")).status_code == 401
        if number < allowed - 1:
            assert (await succeed(app)).status_code == 303
    assert (await fail(app, "last@example.com")).status_code == 429


async def test_mistyped_forms_do_not_count(app: Quart, clock: Clock) -> None:
    for _ in range(LOGIN_PER_ADDRESS.count + 1):
        assert (await Browser(app).post("/login", {"email": EMAIL})).status_code == 422


async def test_limit_is_shared(app: Quart, second_app: Quart, clock: Clock) -> None:
    """Two processes on one database count together."""
    found = []
    for number in range(LOGIN_PER_ACCOUNT.count + 2):
        found.append((await fail((app, second_app)[number % 2])).status_code)
    assert found == [401] * LOGIN_PER_ACCOUNT.count + [429] * 2


async def test_limit_survives_a_restart(settings: Settings, clock: Clock) -> None:
    found = []
    for number in (LOGIN_PER_ACCOUNT.count, 2):
        app = create_app(settings)
        async with app.test_app():
            found += await statuses(app, number)
    assert found == [401] * LOGIN_PER_ACCOUNT.count + [429] * 2


class TestSwitchedOff:
    """RATE_LIMITS=off, which is for load tests."""

    @pytest.fixture
    def environment(self, database_url: str) -> dict[str, str]:
        return {"CONFIG_TYPE": "testing", "DATABASE_URL": database_url, "RATE_LIMITS": "off"}

    async def test_nothing_is_counted(self, app: Quart, clock: Clock) -> None:
        assert await statuses(app, LOGIN_PER_ACCOUNT.count + 2) == [401] * 12
        assert await count(app, rate_limits_table) == 0
