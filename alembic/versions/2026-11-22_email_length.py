"""Limit addresses to the length that mail can carry: 254 characters (RFC 5321)."""

import sqlalchemy as sa
from alembic import op

revision: str = "email_length"
down_revision: str | None = "canonical_emails"
branch_labels: None = None
depends_on: None = None

NAME = "users_email_length_check"


def upgrade() -> None:
    """Cannot fail: service.migrations.adoption refuses a database with a longer address."""
    with op.batch_alter_table("users", copy_from=_users()) as users:
        users.create_check_constraint(op.f(NAME), "length(email) <= 254")


def downgrade() -> None:
    """Loses nothing."""
    ruled = _users(sa.CheckConstraint("length(email) <= 254", name=NAME))
    with op.batch_alter_table("users", copy_from=ruled) as users:
        users.drop_constraint(op.f(NAME), type_="check")


def _users(*more: sa.CheckConstraint) -> sa.Table:
    """Return the table for SQLite to copy: it cannot alter the constraints of a table."""
    return sa.Table(
        "users",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password_hashed", sa.String(255), nullable=False),
        sa.Column("registered_on", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.UniqueConstraint("email", name="users_email_key"),
        *more,
    )
