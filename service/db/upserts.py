"""INSERT of the two dialects, which have ON CONFLICT."""

from typing import TYPE_CHECKING

from sqlalchemy import Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert(table: Table, dialect: str) -> "postgresql.Insert | sqlite.Insert":
    """Return an INSERT into a table, for the dialect with this name."""
    # A service on one database starts without the other one's dialect.
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
