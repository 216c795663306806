"""What programs use: the tokens they sign in with, and the answers that they may ask for again."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base
from service.models.clock import DatabaseNow
from service.models.users import TOKEN_HASH_BYTES

TOKEN_NAME_MAX_LENGTH = 100  # code points


class AccessToken(Base):
    """A program's personal access token; of the token itself only the hash is kept."""

    __tablename__ = "access_tokens"
    __table_args__ = (
        CheckConstraint(f"length(name) BETWEEN 1 AND {TOKEN_NAME_MAX_LENGTH}", name="name_length"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(TOKEN_HASH_BYTES), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(TOKEN_NAME_MAX_LENGTH))
    scopes: Mapped[str] = mapped_column(String(200))  # separated by spaces, as OAuth writes them
    created_at: Mapped[datetime] = mapped_column(default=DatabaseNow())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    last_used_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """The answer to a request that its client may repeat, by the key that the client gave it."""

    __tablename__ = "idempotency_keys"

    # SHA-256 of the person and the key.
    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    # SHA-256 of method, address and body: the same key must mean the same request.
    request: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(default=DatabaseNow(), index=True)
    status: Mapped[int]
    headers: Mapped[str] = mapped_column(String())  # a JSON object
    body: Mapped[bytes] = mapped_column(LargeBinary())
