"""${message}."""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision: str = ${'"%s"' % up_revision}
down_revision: str | None = ${'"%s"' % down_revision if down_revision else None}
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """One change, safe beside the previous release."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Back; what is lost, if anything, is said here."""
    ${downgrades if downgrades else "pass"}
