"""What the request limits count."""

from sqlalchemy import Float, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base


class RateLimit(Base):
    """One bucket of one limit. A row whose time has passed means the same as no row."""

    __tablename__ = "rate_limits"

    # SHA-256 of the limit's name and whom it counts: no address of a person is kept.
    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    # When the bucket is empty again, in seconds since 1970 (GCRA's theoretical arrival time).
    empty_at: Mapped[float] = mapped_column(Float(53), index=True)
