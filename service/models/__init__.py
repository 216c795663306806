"""The tables, one module per domain, and the limits that columns, forms and pages share."""

from service.models.base import Base, utc_now
from service.models.books import (
    AUTHOR_MAX_LENGTH,
    RATING_MAX,
    RATING_MIN,
    TITLE_MAX_LENGTH,
    Book,
    LegacyBook,
)
from service.models.clock import DatabaseEpoch, DatabaseNow
from service.models.limits import RateLimit
from service.models.tokens import TOKEN_NAME_MAX_LENGTH, AccessToken, IdempotencyKey
from service.models.users import (
    EMAIL_MAX_KEPT_LENGTH,
    EMAIL_MAX_LENGTH,
    EMAIL_MIN_LENGTH,
    PASSWORD_MAX_LENGTH,
    Session,
    User,
)

__all__ = [
    "AUTHOR_MAX_LENGTH",
    "EMAIL_MAX_KEPT_LENGTH",
    "EMAIL_MAX_LENGTH",
    "EMAIL_MIN_LENGTH",
    "PASSWORD_MAX_LENGTH",
    "RATING_MAX",
    "RATING_MIN",
    "TITLE_MAX_LENGTH",
    "TOKEN_NAME_MAX_LENGTH",
    "AccessToken",
    "Base",
    "Book",
    "DatabaseEpoch",
    "DatabaseNow",
    "IdempotencyKey",
    "LegacyBook",
    "RateLimit",
    "Session",
    "User",
    "utc_now",
]
