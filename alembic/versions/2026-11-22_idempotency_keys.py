"""Add the answers to requests that programs may repeat; each is kept for a day."""

import sqlalchemy as sa
from alembic import op

revision: str = "idempotency_keys"
down_revision: str | None = "access_tokens"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Answers are deleted with their account."""
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("request", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("idempotency_keys_pkey")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("idempotency_keys_user_id_fkey"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("idempotency_keys_user_id_idx"), "idempotency_keys", ["user_id"])
    op.create_index(op.f("idempotency_keys_created_at_idx"), "idempotency_keys", ["created_at"])


def downgrade() -> None:
    """Loses all answers: a request that is repeated after this is carried out twice."""
    op.drop_table("idempotency_keys")
