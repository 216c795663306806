"""The tables of accounts and sessions."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    text,
)

from service.models.base import UtcDateTime, metadata
from service.models.clock import DatabaseNow

EMAIL_MIN_LENGTH = 6  # the Flask application's bounds
EMAIL_MAX_LENGTH = 100
EMAIL_MAX_KEPT_LENGTH = 254  # of an account of the Flask application
PASSWORD_MAX_LENGTH = 128  # code points of NFKC; ASVS 6.2.9 wants at least 64
PASSWORD_HASH_MAX_LENGTH = 255  # argon2id takes 97, Werkzeug's scrypt 162
TOKEN_HASH_BYTES = 32  # SHA-256

# A person with an account.
users_table = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    # In the canonical form of service.users.forms. The column is wider than new addresses may be,
    # because addresses of the Flask application are kept as they are.
    Column("email", String, nullable=False, unique=True),
    Column("password_hashed", String(PASSWORD_HASH_MAX_LENGTH), nullable=False),
    Column("registered_on", UtcDateTime, nullable=False, default=DatabaseNow()),
    # Counts the changes of this person's list. Each book has the number of its last change.
    Column("books_revision", Integer, nullable=False, server_default=text("0")),
    CheckConstraint(f"length(email) <= {EMAIL_MAX_KEPT_LENGTH}", name="email_length"),
)

# A browser that is signed in. The cookie has the token; the row has only the token's hash.
sessions_table = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", LargeBinary(TOKEN_HASH_BYTES), nullable=False, unique=True),
    Column(
        "user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("created_at", UtcDateTime, nullable=False, default=DatabaseNow()),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
