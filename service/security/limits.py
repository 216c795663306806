"""How often something may be tried: counted in the database, so that all workers share the count.

Each limit is a leaky bucket (GCRA) in one row that one statement fills and judges: two attempts
at the same moment cannot both take the last place.
"""

import hashlib
import time
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Insert, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.exceptions import TooManyRequestsError
from service.models import RateLimit
from service.models.inserts import insert


@dataclass(frozen=True)
class Limit:
    """At most `count` at once, and `count` in each `period` seconds after that.

    `counts` says of what, where not of all calls.
    """

    name: str
    count: int
    period: float
    counts: str = "calls"

    @property
    def interval(self) -> float:
        """Seconds after which one more is allowed."""
        return self.period / self.count

    def of(self, who: str) -> "Bucket":
        """The bucket of this limit that counts somebody."""
        return Bucket(self, hashlib.sha256(f"{self.name}\0{who}".encode()).digest())


@dataclass(frozen=True)
class Bucket:
    """What one limit counts for one person, address or account."""

    limit: Limit
    key: bytes


class Standing(NamedTuple):
    """How somebody stands with a limit: what is left of it, and the seconds until all of it is."""

    limit: Limit
    left: int
    reset: float


async def take(
    connection: AsyncConnection, *buckets: Bucket, standings: list[Standing] | None = None
) -> None:
    """Count one attempt in each bucket, in this order; the connection must commit each statement.

    Raises TooManyRequestsError at the first that is full, and leaves those after it alone.
    `standings` gets what is left of each.
    """
    standings = [] if standings is None else standings
    now = time.time()
    for bucket in buckets:
        limit = bucket.limit
        empty_at = await connection.scalar(_take(connection, bucket, now))
        if empty_at is None:
            seconds = await _seconds_left(connection, bucket, now)
            standings.append(Standing(limit, 0, seconds + limit.period - limit.interval))
            raise TooManyRequestsError("That was tried too often. Please wait a little.", seconds)
        full = max(0.0, empty_at - now)
        # With the same tolerance as below: as many more would be let through.
        left = int(limit.count - full / limit.interval + 0.5)
        standings.append(Standing(limit, max(0, left), full))


async def give_back(connection: AsyncConnection, *buckets: Bucket) -> None:
    """Uncount one attempt in every bucket: it turned out to be a good one."""
    for bucket in buckets:
        await connection.execute(
            update(RateLimit)
            .where(RateLimit.key == bucket.key)
            .values(empty_at=RateLimit.empty_at - bucket.limit.interval)
        )


async def delete_expired(connection: AsyncConnection) -> None:
    """Remove the buckets that have run empty: they mean the same as none."""
    await connection.execute(delete(RateLimit).where(RateLimit.empty_at < time.time()))


def _take(connection: AsyncConnection, bucket: Bucket, now: float) -> Insert:
    """One statement that adds an attempt, and returns a row only where there was room for it.

    The row tells when the bucket is empty again.
    """
    limit = bucket.limit
    later: ColumnElement[float] = case((RateLimit.empty_at > now, RateLimit.empty_at), else_=now)
    return (
        insert(RateLimit, connection.dialect.name)
        .values(key=bucket.key, empty_at=now + limit.interval)
        .on_conflict_do_update(
            index_elements=[RateLimit.key],
            set_={"empty_at": later + limit.interval},
            # Half an interval of tolerance: rounding must not cost anybody an attempt.
            where=later + limit.interval / 2 < now + limit.period,
        )
        .returning(RateLimit.empty_at)
    )


async def _seconds_left(connection: AsyncConnection, bucket: Bucket, now: float) -> float:
    empty_at = await connection.scalar(
        select(RateLimit.empty_at).where(RateLimit.key == bucket.key)
    )
    return max(0.0, (empty_at or now) + bucket.limit.interval - bucket.limit.period - now)
