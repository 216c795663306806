"""Accounts and the sessions that people are signed in with."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base
from service.models.clock import DatabaseNow

EMAIL_MIN_LENGTH = 6  # the Flask application's bounds
EMAIL_MAX_LENGTH = 100
EMAIL_MAX_KEPT_LENGTH = 254  # of an account of the Flask application
PASSWORD_MAX_LENGTH = 128  # code points of NFKC; ASVS 6.2.9 wants at least 64
PASSWORD_HASH_MAX_LENGTH = 255  # argon2id takes 97, Werkzeug's scrypt 162
TOKEN_HASH_BYTES = 32  # SHA-256


class User(Base):
    """A person with an account."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(f"length(email) <= {EMAIL_MAX_KEPT_LENGTH}", name="email_length"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # In the canonical form of service.users.forms; a wider column than new addresses may
    # use, because addresses that the Flask application let in are kept as they are.
    email: Mapped[str] = mapped_column(String(), unique=True)
    password_hashed: Mapped[str] = mapped_column(String(PASSWORD_HASH_MAX_LENGTH))
    registered_on: Mapped[datetime] = mapped_column(default=DatabaseNow())
    # Counts the changes of this person's list; each book keeps the number of its last one.
    books_revision: Mapped[int] = mapped_column(server_default=text("0"))


class Session(Base):
    """A browser that is signed in. Its cookie holds the token, this row only the token's hash."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(TOKEN_HASH_BYTES), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=DatabaseNow())
    expires_at: Mapped[datetime] = mapped_column(index=True)
