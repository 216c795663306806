"""Add the sessions of signed-in browsers; only the hashes of their tokens are stored."""

import sqlalchemy as sa
from alembic import op

revision: str = "sessions"
down_revision: str | None = "books_owner_index"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Sessions are deleted with their account."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("sessions_token_hash_key")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("sessions_user_id_fkey"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("sessions_user_id_idx"), "sessions", ["user_id"])
    op.create_index(op.f("sessions_expires_at_idx"), "sessions", ["expires_at"])


def downgrade() -> None:
    """Loses all sessions: everybody is signed out."""
    op.drop_table("sessions")
