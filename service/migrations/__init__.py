"""The database's schema: finds its revision, and upgrades it to the newest one ("head").

Start reading at `upgrading`. Alembic is imported only when there is something to migrate: for a
database at head, a start runs a few short queries.
"""

from service.migrations.revisions import (
    SchemaError,
    WrongSettingError,
    current_revision,
    head,
    read_revision,
)
from service.migrations.rollback import is_of_later_release
from service.migrations.upgrading import reset, upgrade

__all__ = [
    "SchemaError",
    "WrongSettingError",
    "current_revision",
    "head",
    "is_of_later_release",
    "read_revision",
    "reset",
    "upgrade",
]
