"""Finds the constraint that an error of the database is about."""

from functools import cache

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.schema import ColumnCollectionConstraint

from service.db.failures import driver_error, sqlstate
from service.models import metadata


def violates(error: Exception, name: str) -> bool:
    """Return whether the database refused a row because of the constraint with this name.

    PostgreSQL names the constraint. SQLite names a CHECK, and the columns of a unique constraint.
    For a foreign key it names only the kind, so the statement must be about a table with one
    foreign key. Raises KeyError for a name that is not in the models.
    """
    constraint = _constraints()[name]
    cause = driver_error(error)
    if sqlstate(cause):
        return getattr(cause, "constraint_name", None) == name
    return str(cause) == _told_by_sqlite(constraint)


def _told_by_sqlite(constraint: ColumnCollectionConstraint) -> str:
    if isinstance(constraint, ForeignKeyConstraint):
        return "FOREIGN KEY constraint failed"
    if isinstance(constraint, CheckConstraint):
        return f"CHECK constraint failed: {constraint.name}"
    return f"UNIQUE constraint failed: {', '.join(map(str, constraint.columns))}"


@cache
def _constraints() -> dict[str, ColumnCollectionConstraint]:
    """Every constraint of the models, by its name."""
    return {
        str(constraint.name): constraint
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, ColumnCollectionConstraint)
    }
