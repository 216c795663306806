"""The tables for programs: access tokens, and the answers to requests that may be repeated."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, LargeBinary, String, Table

from service.models.base import UtcDateTime, metadata
from service.models.clock import DatabaseNow
from service.models.users import TOKEN_HASH_BYTES

TOKEN_NAME_MAX_LENGTH = 100  # code points

# A personal access token of a program. Only the hash of the token is stored.
access_tokens_table = Table(
    "access_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", LargeBinary(TOKEN_HASH_BYTES), nullable=False, unique=True),
    Column(
        "user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("name", String(TOKEN_NAME_MAX_LENGTH), nullable=False),
    Column("scopes", String(200), nullable=False),  # separated by spaces, as OAuth writes them
    Column("created_at", UtcDateTime, nullable=False, default=DatabaseNow()),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("last_used_at", UtcDateTime),
    CheckConstraint(f"length(name) BETWEEN 1 AND {TOKEN_NAME_MAX_LENGTH}", name="name_length"),
)

# The answer to a request that its client may repeat, by the client's Idempotency-Key.
idempotency_keys_table = Table(
    "idempotency_keys",
    metadata,
    # SHA-256 of the person and the key.
    Column("key", LargeBinary(32), primary_key=True),
    Column(
        "user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    # SHA-256 of method, address and body: the same key must mean the same request.
    Column("request", LargeBinary(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False, default=DatabaseNow(), index=True),
    Column("status", Integer, nullable=False),
    Column("headers", String, nullable=False),  # a JSON object
    Column("body", LargeBinary, nullable=False),
)
