"""What fails for a reason of ours costs nobody an attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from quart import Quart

from service.exceptions import DatabaseUnavailableError, OverloadedError
from service.limits import buckets as limits
from service.limits import rules as limiting
from service.limits.rules import LOGIN_PER_ACCOUNT, LOGIN_PER_ADDRESS, REGISTRATIONS_PER_ADDRESS
from service.models import DatabaseEpoch, rate_limits_table
from service.security.passwords import PasswordHasher
from service.users import accounts, queries
from tests.api.programs import Program, at_rest
from tests.clocks import Clock
from tests.people import PASSWORD, Browser, add_user, rows

EMAIL = "carol@example.com"
WRONG = {"email": EMAIL, "password": "wrong horse battery"}
RIGHT = {"email": EMAIL, "password": PASSWORD}
FAILURES = [
    (DatabaseUnavailableError(), 503),
    (OverloadedError("Too many.", 2), 503),
    (asyncio.CancelledError(), 503),
    (RuntimeError("nobody foresaw it"), 500),
]
Ask = Callable[[], Awaitable[int]]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiting, "_PAUSES", (0,) * 5)


@pytest.fixture(params=["page", "api"])
def door(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def sign_in(app: Quart, door: str) -> Callable[[dict[str, str]], Awaitable[int]]:
    """Sign in, or make a token, with these credentials; returns the status."""

    async def ask(credentials: dict[str, str]) -> int:
        if door == "page":
            return (await Browser(app).post("/login", credentials)).status_code
        wish = {**credentials, "name": "a program"}
        return (await Program(app).post("/api/v1/tokens", wish)).status_code

    return ask


@pytest.fixture
def register(app: Quart, door: str) -> Ask:
    """Register; returns the status."""

    async def ask() -> int:
        if door == "page":
            form = {**RIGHT, "confirm": PASSWORD}
            return (await Browser(app).post("/register", form)).status_code
        return (await Program(app).post("/api/v1/users", RIGHT)).status_code

    return ask


async def counted(app: Quart) -> list[float]:
    """The seconds until each bucket is empty, of those that are not."""
    await at_rest(app)
    found = await rows(app, rate_limits_table.c.empty_at - DatabaseEpoch())
    return [round(seconds, 3) for (seconds,) in found if seconds > 0.001]


def failing(error: BaseException) -> Callable[..., Awaitable[Any]]:
    async def fail(*args: Any, **options: Any) -> Any:
        raise error

    return fail


PLACES = [
    (queries, "get_user_by_email"),
    (PasswordHasher, "verify"),
    (accounts, "verify"),
]


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=["reading", "hashing", "verifying"])
@pytest.mark.parametrize(("error", "status"), FAILURES, ids=lambda it: type(it).__name__)
async def test_sign_in_that_fails(
    app: Quart,
    clock: Clock,
    sign_in: Callable[[dict[str, str]], Awaitable[int]],
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    error: BaseException,
    status: int,
) -> None:
    """Between counting and knowing whether the password is right, whatever goes wrong."""
    await add_user(app, EMAIL)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(error))
        assert await sign_in(RIGHT) == status
    assert await counted(app) == []
    assert await sign_in(WRONG) == 401
    assert await counted(app) == [LOGIN_PER_ADDRESS.interval, LOGIN_PER_ACCOUNT.interval]


async def test_sign_in_that_is_half_counted(
    app: Quart,
    clock: Clock,
    sign_in: Callable[[dict[str, str]], Awaitable[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the account's limit cannot be asked, the address's is as it was."""
    take = limits.take

    async def fail_second(connection: Any, bucket: Any, **options: Any) -> None:
        if bucket.limit is LOGIN_PER_ACCOUNT:
            raise DatabaseUnavailableError
        await take(connection, bucket, **options)

    with monkeypatch.context() as patch:
        patch.setattr(limits, "take", fail_second)
        assert await sign_in(WRONG) == 503
    assert await counted(app) == []


@pytest.mark.parametrize("error", [DatabaseUnavailableError(), asyncio.CancelledError()])
async def test_giving_back_that_fails(
    app: Quart,
    clock: Clock,
    sign_in: Callable[[dict[str, str]], Awaitable[int]],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    """It is done as soon as the database answers again; until then a right password is right."""
    await add_user(app, EMAIL)
    give_back, tried = limits.give_back, []

    async def fail_first(connection: Any, bucket: Any, **options: Any) -> None:
        tried.append(bucket)
        if len(tried) == 1:
            raise error
        if len(tried) in (3, 4):
            raise DatabaseUnavailableError
        await give_back(connection, bucket, **options)

    with monkeypatch.context() as patch:
        patch.setattr(limits, "give_back", fail_first)
        stopped = isinstance(error, asyncio.CancelledError)
        assert (await sign_in(RIGHT) == 503) == stopped
        assert await counted(app) == []
    assert len(tried) == 5


@pytest.mark.parametrize(
    ("owner", "name"),
    [(PasswordHasher, "hash"), (accounts, "register")],
    ids=["hashing", "writing"],
)
@pytest.mark.parametrize(("error", "status"), FAILURES, ids=lambda it: type(it).__name__)
async def test_registration_that_fails(
    app: Quart,
    clock: Clock,
    register: Ask,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    error: BaseException,
    status: int,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(error))
        assert await register() == status
    assert await counted(app) == []
    assert await register() in (201, 303)
    assert await counted(app) == [REGISTRATIONS_PER_ADDRESS.interval]


async def test_registration_that_is_refused(app: Quart, clock: Clock, register: Ask) -> None:
    """An address that is taken is the person's to know: asking for it counts."""
    await add_user(app, EMAIL)
    assert await register() in (409, 422)
    assert await counted(app) == [REGISTRATIONS_PER_ADDRESS.interval]
