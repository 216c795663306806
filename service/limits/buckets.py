"""How often something may be tried: counted in the database, so that all workers share the count.

Each limit is a leaky bucket (GCRA) in one row that one statement fills and judges: two attempts
at the same moment cannot both take the last place.
"""

import hashlib
from collections.abc import MutableMapping
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from sqlalchemy import Executable, Float, bindparam, case, select, update

from service.db.batches import DeleteBatch
from service.db.statements import Connection, Statement, scalar
from service.db.upserts import insert
from service.exceptions import TooManyRequestsError
from service.models import DatabaseEpoch, RateLimit


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

    @classmethod
    def after(cls, limit: Limit, full: float | None) -> "Standing":
        """The standing of a bucket that is empty in `full` seconds; None stands for no bucket."""
        reset = max(0.0, full or 0.0)
        # As many as `take` would let through one by one, with the same tolerance.
        left = ceil(limit.count + 0.5 - reset / limit.interval) - 1
        return cls(limit, min(max(0, left), limit.count), reset)


Standings = MutableMapping[str, Standing]  # by the limit's name, as they are after the last call


async def take(
    connection: Connection, *buckets: Bucket, cost: int = 1, standings: Standings | None = None
) -> None:
    """Count an attempt in each bucket, in this order; the connection must commit each statement.

    `cost` is the number of attempts that it counts as, at most the limit's count. Either all of
    them fit into a bucket or none is counted there. Raises TooManyRequestsError at the first
    bucket without room, and leaves those after it alone. `standings` gets what is left of each.
    """
    for bucket in buckets:
        limit = bucket.limit
        taken = {
            "bucket": bucket.key,
            "cost": cost * limit.interval,
            # Half an interval of tolerance: rounding must not cost anybody an attempt.
            "room": limit.period + limit.interval * (0.5 - cost),
        }
        full = await _TAKE.first(connection, **taken)
        refused = full is None
        if refused:
            full = await _FULL.first(connection, bucket=bucket.key)
        if standings is not None:
            standings[limit.name] = Standing.after(limit, full)
        if refused:
            seconds = (full or 0.0) + cost * limit.interval - limit.period
            raise TooManyRequestsError(seconds)


async def give_back(
    connection: Connection, *buckets: Bucket, cost: int = 1, standings: Standings | None = None
) -> None:
    """Uncount an attempt that counted as `cost`, in every bucket."""
    for bucket in buckets:
        seconds = cost * bucket.limit.interval
        full = await _GIVE_BACK.first(connection, bucket=bucket.key, cost=seconds)
        if standings is not None:
            standings[bucket.limit.name] = Standing.after(bucket.limit, full)


_now = DatabaseEpoch()
_cost = bindparam("cost", type_=Float(53))
_full = RateLimit.empty_at - _now  # seconds until the bucket is empty
_FULL = Statement(select(_full).where(RateLimit.key == bindparam("bucket")), scalar)
_GIVE_BACK = Statement(
    update(RateLimit)
    .where(RateLimit.key == bindparam("bucket"))
    .values(empty_at=RateLimit.empty_at - _cost)
    .returning(_full),
    scalar,
)
# A bucket that has run empty means the same as none.
delete_expired = DeleteBatch(RateLimit, RateLimit.empty_at < DatabaseEpoch(), RateLimit.empty_at)


def _take(dialect: str) -> Executable:
    """One statement that adds an attempt, and returns a row only where there was room for it."""
    start = case((RateLimit.empty_at > _now, RateLimit.empty_at), else_=_now)
    return (
        insert(RateLimit, dialect)
        .values(key=bindparam("bucket"), empty_at=_now + _cost)
        .on_conflict_do_update(
            index_elements=[RateLimit.key],
            set_={"empty_at": start + _cost},
            where=start < _now + bindparam("room", type_=Float(53)),
        )
        .returning(_full)
    )


_TAKE = Statement(_take, scalar)
