"""The database's schema: which revision it has, and how it comes to the newest one.

`upgrading` is where to start reading. Alembic is imported only when there is something to
migrate: a cold start with a database at head asks one question and goes on.
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
