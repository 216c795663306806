"""The table of rate limits."""

from sqlalchemy import Column, Float, LargeBinary, Table

from service.models.base import metadata

# One bucket of one limit. A row whose time is in the past means the same as no row.
rate_limits_table = Table(
    "rate_limits",
    metadata,
    # SHA-256 of the limit's name and of the person or address that it counts. Neither is stored.
    Column("key", LargeBinary(32), primary_key=True),
    # When the bucket is empty again, in seconds since 1970 (GCRA's theoretical arrival time).
    Column("empty_at", Float(53), nullable=False, index=True),
)
