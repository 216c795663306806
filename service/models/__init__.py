"""The tables, one module per domain, and the limits that columns, forms and pages share."""

from service.models.base import metadata, utc_now
from service.models.books import (
    AUTHOR_MAX_LENGTH,
    RATING_MAX,
    RATING_MIN,
    TITLE_MAX_LENGTH,
    books_table,
    legacy_books_table,
)
from service.models.clock import DatabaseEpoch, DatabaseNow
from service.models.limits import rate_limits_table
from service.models.tokens import (
    TOKEN_NAME_MAX_LENGTH,
    access_tokens_table,
    idempotency_keys_table,
)
from service.models.users import (
    EMAIL_MAX_KEPT_LENGTH,
    EMAIL_MAX_LENGTH,
    EMAIL_MIN_LENGTH,
    PASSWORD_MAX_LENGTH,
    sessions_table,
    users_table,
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
    "DatabaseEpoch",
    "DatabaseNow",
    "access_tokens_table",
    "books_table",
    "idempotency_keys_table",
    "legacy_books_table",
    "metadata",
    "rate_limits_table",
    "sessions_table",
    "users_table",
    "utc_now",
]
