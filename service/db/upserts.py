"""INSERT in a database's own words, which know ON CONFLICT."""

from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from sqlalchemy.dialects import sqlite


def insert(table: Table, dialect: str) -> "postgresql.Insert | sqlite.Insert":
    """An INSERT into a table, for the database of this name."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    from sqlalchemy.dialects.sqlite import insert  # a service on PostgreSQL starts without it

    return insert(table)
