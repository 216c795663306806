"""What the request limits count."""

from sqlalchemy import Column, Float, LargeBinary, Table

from service.models.base import metadata

# One bucket of one limit. A row whose time has passed means the same as no row.
rate_limits_table = Table(
    "rate_limits",
    metadata,
    # SHA-256 of the limit's name and whom it counts: no address of a person is kept.
    Column("key", LargeBinary(32), primary_key=True),
    # When the bucket is empty again, in seconds since 1970 (GCRA's theoretical arrival time).
    Column("empty_at", Float(53), nullable=False, index=True),
)
