"""Checks that the service can work with a database that has this release's schema.

The service must be able to read and write every table, and the generators of ids must not be
behind the rows (see `generators`).
"""

from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from service.db.failure_texts import explain
from service.db.failures import Meaning, meaning_of
from service.migrations import generators
from service.migrations.adoption import VERSION_TABLE

_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
# The rights on these tables that the service does not use.
_NOT_NEEDED = {VERSION_TABLE: _RIGHTS[1:], "legacy_books": ("INSERT", "UPDATE")}
_MISSING = text(
    """
    SELECT wanted.table_name, wanted.right_name
    FROM unnest(CAST(:tables AS text[]), CAST(:rights AS text[]))
      WITH ORDINALITY AS wanted(table_name, right_name, place)
    WHERE NOT has_table_privilege(to_regclass(quote_ident(table_name)), right_name)
    ORDER BY place
    """
)


def find_unmet(connection: Connection) -> list[str]:
    """Return one sentence for each need that the database does not meet.

    Runs in a transaction of the caller, who rolls it back. The statements would write to each table
    but match no row: they need the same rights as real writes and, on PostgreSQL, take no
    transaction id and write no record to the WAL. Raises DBAPIError for a temporary error, such as
    a lock.
    """
    try:
        with connection.begin_nested():
            for statement in _trials(connection):
                connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if meaning_of(error) is not Meaning.REFUSED:
            raise
        return list(_missing_rights(connection)) or [explain(error)]
    found = generators.find(connection, tuple(table.name for table in _tables()))
    return [generator.problem for generator in found if generator.problem]


def _tables() -> list[Table]:
    # Imported here, because most starts find the schema at head and do not need the models.
    from service.models import metadata

    return metadata.sorted_tables


def _trials(connection: Connection) -> list[str]:
    quote = connection.dialect.identifier_preparer.quote
    trials = [trial for table in _tables() for trial in _trials_of(table, quote)]
    if connection.dialect.name == "sqlite":
        # On SQLite the rights are those of the file and of its folder: the first changed row
        # makes a second file there. So this statement changes a row, to the same value.
        return [*trials, f"UPDATE {VERSION_TABLE} SET version_num = version_num"]
    writes = [trial for trial in trials if not trial.startswith("SELECT")]
    reads = [trial for trial in trials if trial.startswith("SELECT")]
    # One round trip: PostgreSQL runs each part of WITH that writes, even if nothing reads from it.
    parts = ", ".join(f"part{place} AS ({write})" for place, write in enumerate(writes))
    union = " UNION ALL ".join(f"SELECT 1 FROM ({read}) AS reading" for read in reads)
    return [f"WITH {parts} {union} UNION ALL SELECT 1 FROM {VERSION_TABLE} WHERE false"]


def _trials_of(table: Table, quote: Callable[[str], str]) -> Iterator[str]:
    """Yield statements that need each right on the table and change nothing."""
    name = quote(table.name)
    generated = table.autoincrement_column
    columns = [quote(column.name) for column in table.columns if column is not generated]
    listed = ", ".join(columns)
    same = ", ".join(f"{column} = {column}" for column in columns)
    statements = {
        "SELECT": f"SELECT {listed} FROM {name} WHERE false",
        "INSERT": f"INSERT INTO {name} ({listed}) SELECT {listed} FROM {name} WHERE false",
        "UPDATE": f"UPDATE {name} SET {same} WHERE false",
        "DELETE": f"DELETE FROM {name} WHERE false",
    }
    for right in _rights(table.name):
        yield statements[right]


def _rights(table: str) -> list[str]:
    return [right for right in _RIGHTS if right not in _NOT_NEEDED.get(table, ())]


def _missing_rights(connection: Connection) -> Iterator[str]:
    """Yield one sentence for all tables on which the same rights are missing."""
    if connection.dialect.name == "sqlite":
        return
    names = [VERSION_TABLE, *(table.name for table in _tables())]
    wanted = [(name, right) for name in names for right in _rights(name)]
    values = {
        "tables": [name for name, _ in wanted],
        "rights": [right for _, right in wanted],
    }
    missing: dict[str, list[str]] = {}
    for name, right in connection.execute(_MISSING, values):
        missing.setdefault(name, []).append(right)
    for rights in sorted({tuple(rights) for rights in missing.values()}):
        tables = ", ".join(sorted(name for name in missing if tuple(missing[name]) == rights))
        yield f"this role has no right to {', '.join(rights)} on {tables}: GRANT it"
