"""Add access tokens, with which programs sign in; only their hashes are stored."""

import sqlalchemy as sa
from alembic import op

revision: str = "access_tokens"
down_revision: str | None = "books_title_index"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Tokens are deleted with their account."""
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("access_tokens_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("access_tokens_token_hash_key")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("access_tokens_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "length(name) BETWEEN 1 AND 100", name=op.f("access_tokens_name_length_check")
        ),
    )
    op.create_index(op.f("access_tokens_user_id_idx"), "access_tokens", ["user_id"])
    op.create_index(op.f("access_tokens_expires_at_idx"), "access_tokens", ["expires_at"])


def downgrade() -> None:
    """Loses all tokens: programs need new ones after the next upgrade."""
    op.drop_table("access_tokens")
