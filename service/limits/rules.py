"""The limits, and the decorators that name the limit of each view.

Answers to programs carry the headers RateLimit and RateLimit-Policy, after
draft-ietf-httpapi-ratelimit-headers-10.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any

from quart import Quart, current_app, g, request
from quart.typing import ResponseTypes
from werkzeug.exceptions import HTTPException

from service import db
from service.db.statements import Connection
from service.exceptions import (
    DatabaseUnavailableError,
    ServiceError,
    TooManyRequestsError,
    TryLaterError,
    whole_seconds,
)
from service.limits import buckets as limits
from service.limits.buckets import Bucket, Limit, Standings
from service.security.client_address import client_address, limit_key
from service.web.context import get_settings, get_warnings
from service.web.routing import is_for_programs
from service.web.view_marks import View, mark

# Only failures stay counted: a sign-in that succeeds is given back. Ten in five minutes is PyPI's
# bound for an account. One client address may be shared by all people of an office.
LOGIN_PER_ACCOUNT = Limit("login-account", 10, 300, "wrong passwords")
LOGIN_PER_ADDRESS = Limit("login-address", 30, 300, "wrong passwords")
# A signed-in person confirms an action with the password. Only failures stay counted.
CONFIRMATIONS_PER_SESSION = Limit("confirm-session", 10, 300, "wrong passwords")
CONFIRMATIONS_PER_USER = Limit("confirm-user", 30, 300, "wrong passwords")
REGISTRATIONS_PER_ADDRESS = Limit("register-address", 100, 3600)
# Each change asks whether an address has an account, also if it is refused.
EMAIL_CHANGES_PER_USER = Limit("email-user", 10, 3600)
WRITES_PER_USER = Limit("write-user", 300, 60)
# Of tokens and sessions. Calls with a token count for that token, all others for the person. A
# limit of its own: a thief of a token must not use up the calls with which its owner revokes it.
REVOCATIONS = Limit("revoke", 300, 60)
_PAUSES = (0, 1, 2, 4, 8)  # seconds before each try to give an attempt back


def init_app(app: Quart) -> None:
    """Add the headers RateLimit and RateLimit-Policy to answers of the API."""

    @app.after_request
    async def add_headers(response: ResponseTypes) -> ResponseTypes:
        standings = _standings().values()
        if standings and is_for_programs(request.path):
            response.headers["RateLimit-Policy"] = ", ".join(
                f'"{limit.name}";q={limit.count};w={limit.period:g}' for limit, _, _ in standings
            )
            response.headers["RateLimit"] = ", ".join(
                f'"{limit.name}";r={left};t={whole_seconds(reset)}'
                for limit, left, reset in standings
            )
        return response


def per_user(limit: Limit) -> Callable[[View], View]:
    """Count each call of a view by the signed-in person. Stands below `login_required`."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            await take(limit.of(str(kwargs["user"].id)))
            return await view(*args, **kwargs)

        return limited_inside(limit)(wrapped)

    return decorate


def limited_inside(*limits: Limit) -> Callable[[View], View]:
    """Mark a view that counts its calls against these limits itself."""

    def decorate(view: View) -> View:
        return mark(view, limit=", ".join(limit.name for limit in limits))

    return decorate


def unlimited(reason: str) -> Callable[[View], View]:
    """Mark a view as not counted, and say why. A test fails for views without a mark."""

    def decorate(view: View) -> View:
        return mark(view, limit=f"none: {reason}")

    return decorate


async def take(*buckets: Bucket, cost: int = 1) -> None:
    """Count an attempt in each bucket, as `cost` attempts. Raises TooManyRequestsError.

    Does nothing if the setting RATE_LIMITS is off.
    """
    if get_settings().rate_limits:
        async with db.read() as connection:
            await take_on(connection, *buckets, cost=cost)


async def take_on(connection: Connection, *buckets: Bucket, cost: int = 1) -> None:
    """Do the same as `take`, on a connection that commits each statement by itself."""
    if get_settings().rate_limits:
        await limits.take(connection, *buckets, cost=cost, standings=_standings())


async def take_more(bucket: Bucket, cost: int) -> None:
    """Count `cost` more attempts for an attempt that `take` has counted once.

    Raises TooManyRequestsError. Then the attempt that `take` counted is given back, too.
    """
    if cost:
        try:
            await take(bucket, cost=cost)
        except TooManyRequestsError:
            await give_back(bucket)
            raise


async def give_back(*buckets: Bucket, cost: int = 1) -> None:
    """Uncount an attempt, as after a right password. If the database fails, try again later."""
    if not get_settings().rate_limits or not cost:
        return
    left = list(buckets)
    try:
        async with db.read() as connection:
            while left:
                await limits.give_back(connection, left[0], cost=cost, standings=_standings())
                del left[0]
    except DatabaseUnavailableError:
        _give_back_in_background(left, cost)
    except asyncio.CancelledError:
        _give_back_in_background(left, cost)
        raise


@asynccontextmanager
async def counted(*buckets: Bucket) -> AsyncIterator[None]:
    """Count an attempt in each bucket, then run the block.

    The attempt is uncounted if the block fails by a fault of the service: see
    `not_counting_failures`. Raises TooManyRequestsError.
    """
    for number, bucket in enumerate(buckets):
        async with not_counting_failures(*buckets[:number]):
            await take(bucket)
    async with not_counting_failures(*buckets):
        yield


@asynccontextmanager
async def not_counting_failures(*buckets: Bucket, cost: int = 1) -> AsyncIterator[None]:
    """Run the block. Uncount the attempt if the block fails by a fault of the service.

    A wrong password and a malformed request are faults of the client: they stay counted. Faults of
    the service are a database that does not answer, an overload, a stop of this process and every
    unforeseen error. A refusal by another limit is uncounted, too: that attempt had no effect.
    """
    try:
        yield
    except (DatabaseUnavailableError, asyncio.CancelledError):
        _give_back_in_background(buckets, cost)
        raise
    except Exception as error:
        if not _is_fault_of_client(error):
            await give_back(*buckets, cost=cost)
        raise


def _give_back_in_background(buckets: Sequence[Bucket], cost: int) -> None:
    """Uncount in background tasks: the request cannot wait until the database answers again."""
    if get_settings().rate_limits and cost:
        for bucket in buckets:
            current_app.add_background_task(_give_back_later, bucket, cost)


def _is_fault_of_client(error: BaseException) -> bool:
    if isinstance(error, TryLaterError):
        return False
    return isinstance(error, ServiceError | HTTPException)


async def _give_back_later(bucket: Bucket, cost: int) -> None:
    """Uncount as soon as the database answers, and give up after the last of _PAUSES."""
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        with suppress(DatabaseUnavailableError):
            async with db.read() as connection:
                await limits.give_back(connection, bucket, cost=cost)
            return


def _standings() -> Standings:
    """Return the standings of the limits that this request was counted against."""
    standings: Standings = g.setdefault("standings", {})
    return standings


def client_key() -> str:
    """Return the client address of this request, as limits count it: decision 25."""
    settings = get_settings()
    client = client_address(
        request.remote_addr or "",
        request.headers,
        header=settings.client_ip_header,
        trusted_hops=settings.trusted_proxy_hops,
    )
    if client.problem is not None:
        message = f"clients are counted by their proxy's address: {client.problem}"
        get_warnings().warn(__name__, message)
    return limit_key(client.address)
