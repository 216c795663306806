"""Rate limits: the counts are in the database, so that all workers share them.

Each count is a leaky bucket (GCRA) in one row. One statement checks the bucket and fills it, so
that two attempts at the same moment cannot both take the last place.
"""

import hashlib
from collections.abc import MutableMapping
from math import ceil
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import Executable, Float, bindparam, case, select, update

from service.db.batches import DeleteBatch
from service.db.statements import Connection, Statement, scalar
from service.db.upserts import insert
from service.exceptions import TooManyRequestsError
from service.models import DatabaseEpoch, rate_limits_table


class Limit(Struct, frozen=True):
    """A limit: at most `count` calls at once, and `count` in each `period` seconds after that.

    `counts` names the counted events, if these are not all calls.
    """

    name: str
    count: int
    period: float
    counts: str = "calls"

    @property
    def interval(self) -> float:
        """Seconds in which one place in the bucket becomes free."""
        return self.period / self.count

    def of(self, who: str) -> "Bucket":
        """Return this limit's bucket for `who`: a person, an account or a client address."""
        return Bucket(self, hashlib.sha256(f"{self.name}\0{who}".encode()).digest())


class Bucket(Struct, frozen=True):
    """The count of one limit for one person, account or client address: the key of its row."""

    limit: Limit
    key: bytes


class Standing(NamedTuple):
    """The state of one bucket: the calls that are `left`, and the seconds until it is empty."""

    limit: Limit
    left: int
    reset: float

    @classmethod
    def after(cls, limit: Limit, full: float | None) -> "Standing":
        """Return the standing of a bucket that is empty in `full` seconds. None: it has no row."""
        reset = max(0.0, full or 0.0)
        # The number of calls with cost 1 that `take` would allow now, with its tolerance.
        left = ceil(limit.count + 0.5 - reset / limit.interval) - 1
        return cls(limit, min(max(0, left), limit.count), reset)


Standings = MutableMapping[str, Standing]  # by the name of the limit


async def take(
    connection: Connection, *buckets: Bucket, cost: int = 1, standings: Standings | None = None
) -> None:
    """Count an attempt in each bucket, in this order.

    The connection must commit each statement by itself. The attempt counts as `cost` attempts, at
    most the limit's `count`: either all of them fit into a bucket, or the bucket is not changed.
    Raises TooManyRequestsError at the first bucket without room, and does not count in those after
    it. The standing of each bucket is written to `standings`.
    """
    for bucket in buckets:
        limit = bucket.limit
        taken = {
            "bucket": bucket.key,
            "cost": cost * limit.interval,
            # Half an interval of tolerance: rounding must not refuse an attempt.
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
    """Uncount an attempt that counted as `cost` attempts, in each bucket."""
    for bucket in buckets:
        seconds = cost * bucket.limit.interval
        full = await _GIVE_BACK.first(connection, bucket=bucket.key, cost=seconds)
        if standings is not None:
            standings[bucket.limit.name] = Standing.after(bucket.limit, full)


_now = DatabaseEpoch()
_cost = bindparam("cost", type_=Float(53))
_full = rate_limits_table.c.empty_at - _now  # seconds until the bucket is empty
_FULL = Statement(select(_full).where(rate_limits_table.c.key == bindparam("bucket")), scalar)
_GIVE_BACK = Statement(
    update(rate_limits_table)
    .where(rate_limits_table.c.key == bindparam("bucket"))
    .values(empty_at=rate_limits_table.c.empty_at - _cost)
    .returning(_full),
    scalar,
)
# An empty bucket means the same as no row.
delete_expired = DeleteBatch(
    rate_limits_table, rate_limits_table.c.empty_at < DatabaseEpoch(), rate_limits_table.c.empty_at
)


def _take(dialect: str) -> Executable:
    """Return the statement that counts an attempt. It returns a row only if there was room."""
    start = case((rate_limits_table.c.empty_at > _now, rate_limits_table.c.empty_at), else_=_now)
    return (
        insert(rate_limits_table, dialect)
        .values(key=bindparam("bucket"), empty_at=_now + _cost)
        .on_conflict_do_update(
            index_elements=[rate_limits_table.c.key],
            set_={"empty_at": start + _cost},
            where=start < _now + bindparam("room", type_=Float(53)),
        )
        .returning(_full)
    )


_TAKE = Statement(_take, scalar)
