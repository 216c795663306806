"""Add the counts of the request limits, one row for each bucket."""

import sqlalchemy as sa
from alembic import op

revision: str = "rate_limits"
down_revision: str | None = "sessions"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """The key is a hash, so that no address of a person is stored."""
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("empty_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("rate_limits_pkey")),
    )
    op.create_index(op.f("rate_limits_empty_at_idx"), "rate_limits", ["empty_at"])


def downgrade() -> None:
    """Loses the counts: every limit starts anew."""
    op.drop_table("rate_limits")
