"""The database's clock, in SQL: the only clock that all machines share (decision 13).

A time that is stored in a table and compared there must come from here. The clock of the machine
that serves a request may be ahead of another machine's, or behind it.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Float, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from service.models.base import UtcDateTime

# The format in which SQLAlchemy stores times in SQLite. SQLite's %f has milliseconds. The zeros
# make them microseconds, so that texts from SQLite and from SQLAlchemy sort by time.
_SQLITE_FORMAT = "'%Y-%m-%d %H:%M:%f000'"
_SQLITE_EPOCH = 2440587.5  # the Julian day number of 1970-01-01 00:00


class DatabaseNow(FunctionElement[datetime]):
    """The time at which the database began the statement; with `plus`, that many seconds later.

    The time is the same everywhere in one statement. Each statement of a transaction has
    its own. PostgreSQL's now() would give all of them the start of the transaction.
    clock_timestamp() would change within a statement, and no index serves a comparison with it.
    """

    type = UtcDateTime()
    name = "database_now"
    inherit_cache = True

    def __init__(self, plus: timedelta | ColumnElement[float] | None = None) -> None:
        """A timedelta becomes part of the statement's text. For other values, pass a bindparam."""
        if isinstance(plus, timedelta):
            plus = literal_column(repr(plus.total_seconds()), Float())
        super().__init__(*([] if plus is None else [plus]))


class DatabaseEpoch(FunctionElement[float]):
    """The time of DatabaseNow as seconds since 1970."""

    type = Float(53)
    name = "database_epoch"
    inherit_cache = True


@compiles(DatabaseNow, "postgresql")
def _now_on_postgresql(element: DatabaseNow, compiler: SQLCompiler, **options: Any) -> str:
    plus = compiler.process(element.clauses, **options)
    return f"(statement_timestamp() + make_interval(secs => {plus}))" if plus else _STATEMENT_TIME


@compiles(DatabaseNow, "sqlite")
def _now_on_sqlite(element: DatabaseNow, compiler: SQLCompiler, **options: Any) -> str:
    plus = compiler.process(element.clauses, **options)
    return f"strftime({_SQLITE_FORMAT}, 'now'" + (f", ({plus}) || ' seconds')" if plus else ")")


@compiles(DatabaseEpoch, "postgresql")
def _epoch_on_postgresql(_element: DatabaseEpoch, _compiler: SQLCompiler, **_options: Any) -> str:
    return f"CAST(EXTRACT(epoch FROM {_STATEMENT_TIME}) AS double precision)"


@compiles(DatabaseEpoch, "sqlite")
def _epoch_on_sqlite(_element: DatabaseEpoch, _compiler: SQLCompiler, **_options: Any) -> str:
    return f"((julianday(strftime({_SQLITE_FORMAT}, 'now')) - {_SQLITE_EPOCH}) * 86400.0)"


_STATEMENT_TIME = "statement_timestamp()"
