"""Give the time of registration a time zone; the old values are in the server's zone, UTC."""

import sqlalchemy as sa
from alembic import op

revision: str = "registered_on_utc"
down_revision: str | None = "email_length"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """SQLite has no time zones, so there the text stays as it is."""
    _set_type(sa.DateTime(timezone=True))


def downgrade() -> None:
    """Loses nothing: the values are UTC again, without a zone."""
    _set_type(sa.DateTime())


def _set_type(new: sa.DateTime) -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    # In a database session whose zone is UTC both types have the same bits, so PostgreSQL rewrites
    # no row. With USING … AT TIME ZONE it would rewrite all.
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    op.alter_column("users", "registered_on", type_=new, existing_nullable=False)
