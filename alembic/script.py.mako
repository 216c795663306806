"""${message}."""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision: str = ${'"%s"' % up_revision}
down_revision: str | None = ${'"%s"' % down_revision if down_revision else None}
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Make one change that is safe beside the previous release."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Undo the change; say here which data is lost."""
    ${downgrades if downgrades else "pass"}
