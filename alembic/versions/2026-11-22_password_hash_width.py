"""Widen the password hash: Werkzeug's scrypt takes 162 characters, and the column had 128."""

import sqlalchemy as sa
from alembic import op

revision: str = "password_hash_width"
down_revision: str | None = "baseline"
branch_labels: None = None
depends_on: None = None


NARROW = 128
WIDE = 255


def upgrade() -> None:
    """On PostgreSQL this changes the catalogue alone, and rewrites no row."""
    _set_width(NARROW, WIDE)


def downgrade() -> None:
    """Loses nothing: if PostgreSQL has a longer hash, the column stays wide."""
    context = op.get_context()
    if context.dialect.name == "postgresql" and not context.as_sql:
        longest = sa.text("SELECT max(length(password_hashed)) FROM users")
        if (op.get_bind().scalar(longest) or 0) > NARROW:
            return
    _set_width(WIDE, NARROW)


def _set_width(old: int, new: int) -> None:
    with op.batch_alter_table("users", copy_from=_users(old)) as users:
        users.alter_column("password_hashed", type_=sa.String(new), existing_nullable=False)


def _users(width: int) -> sa.Table:
    """Return the table for SQLite to copy: it cannot alter a column."""
    return sa.Table(
        "users",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password_hashed", sa.String(width), nullable=False),
        sa.Column("registered_on", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.UniqueConstraint("email", name="users_email_key"),
    )
