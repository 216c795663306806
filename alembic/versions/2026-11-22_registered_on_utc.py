"""The time of registration knows its zone; the old values were the server's, which was UTC."""

import sqlalchemy as sa
from alembic import op

revision: str = "registered_on_utc"
down_revision: str | None = "email_length"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """SQLite has no zones: there the text stays as it is."""
    _set_type(sa.DateTime(timezone=True))


def downgrade() -> None:
    """Loses nothing: the values are UTC again, without saying so."""
    _set_type(sa.DateTime())


def _set_type(new: sa.DateTime) -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    # In a session whose zone is UTC both types have the same bits: PostgreSQL rewrites no row,
    # as it would for USING … AT TIME ZONE.
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    op.alter_column("users", "registered_on", type_=new, existing_nullable=False)
