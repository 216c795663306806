"""The generators of ids: PostgreSQL's sequences, and the table sqlite_sequence of SQLite.

Rows that were loaded with their ids (COPY, pgloader, a restore of data alone) do not advance a
generator. Then PostgreSQL generates ids that rows have already, and SQLite may give an id twice.
Such a generator is called "behind" its rows.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from service.migrations.revisions import SchemaError

# Each column with a sequence: its default is nextval('…'), whoever owns the sequence, or it is an
# identity column. last_value is NULL for a sequence that has generated no id yet.
_SEQUENCES = text(
    """
    SELECT given.table_name, given.column_name, given.readable,
           sequence.oid::regclass::text AS name,
           pg_get_userbyid(sequence.relowner) AS owner, quote_ident(current_user) AS role,
           has_sequence_privilege(sequence.oid, 'USAGE') AS usable,
           has_sequence_privilege(sequence.oid, 'UPDATE') AS settable,
           has_sequence_privilege(sequence.oid, 'SELECT') AS visible,
           state.last_value, state.increment_by
    FROM (
        SELECT tables.relname AS table_name, columns.attname AS column_name,
               has_table_privilege(tables.oid, 'SELECT') AS readable,
               coalesce(
                   (SELECT link.refobjid FROM pg_depend AS link
                    JOIN pg_class AS target ON target.oid = link.refobjid AND target.relkind = 'S'
                    WHERE link.classid = 'pg_attrdef'::regclass AND link.objid = defaults.oid
                    AND link.refclassid = 'pg_class'::regclass LIMIT 1),
                   (SELECT link.objid FROM pg_depend AS link
                    WHERE link.classid = 'pg_class'::regclass
                    AND link.refclassid = 'pg_class'::regclass AND link.refobjid = tables.oid
                    AND link.refobjsubid = columns.attnum AND link.deptype = 'i' LIMIT 1)
               ) AS sequence
        FROM pg_class AS tables
        JOIN pg_attribute AS columns
          ON columns.attrelid = tables.oid AND columns.attnum > 0 AND NOT columns.attisdropped
        LEFT JOIN pg_attrdef AS defaults
          ON defaults.adrelid = tables.oid AND defaults.adnum = columns.attnum
        WHERE tables.oid IN (
            SELECT to_regclass(quote_ident(name)) FROM unnest(CAST(:tables AS text[])) AS name
        )
    ) AS given
    JOIN pg_class AS sequence ON sequence.oid = given.sequence
    JOIN pg_namespace AS space ON space.oid = sequence.relnamespace
    JOIN pg_sequences AS state
      ON state.schemaname = space.nspname AND state.sequencename = sequence.relname
    ORDER BY given.table_name, given.column_name
    """
)
# The tables with AUTOINCREMENT, which SQLite gives no id twice, and the highest id given so far.
_AUTOINCREMENT = text(
    """
    SELECT tables.name, coalesce(given.seq, 0)
    FROM sqlite_master AS tables LEFT JOIN sqlite_sequence AS given ON given.name = tables.name
    WHERE tables.type = 'table' AND tables.sql LIKE '%AUTOINCREMENT%' ORDER BY tables.name
    """
)
_HAS_AUTOINCREMENT = text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")


class GeneratorError(SchemaError):
    """A generator is behind its rows, and our role may not set it."""


class Generator(NamedTuple):
    """The present state of the generator of one table's ids."""

    table: str
    column: str
    name: str  # the sequence, quoted for SQL; on SQLite the table
    next_value: int | None  # None if our role may not read it
    highest: int | None  # id of a row; None if there is no row, or our role may not read the table
    owner: str = ""
    role: str = ""  # ours
    usable: bool = True
    settable: bool = True

    @property
    def is_behind(self) -> bool:
        """Return whether the next id is not above the highest id of a row."""
        known = self.next_value is not None and self.highest is not None
        return known and self.next_value <= self.highest  # type: ignore[operator]  # both are

    @property
    def problem(self) -> str | None:
        """One sentence for the operator, or None if the next row can get an id."""
        if not self.usable:
            return (
                f"the ids of {self.table} come from the sequence {self.name} of {self.owner},"
                f" which this role may not use: GRANT USAGE ON SEQUENCE {self.name} TO {self.role}"
            )
        if self.is_behind:
            return (
                f"the next id of {self.table} would be {self.next_value}, and there are rows up to"
                f" {self.highest}"
            )
        return None


def find(connection: Connection, tables: tuple[str, ...]) -> list[Generator]:
    """Return the generators of these tables. A table may have none."""
    if connection.dialect.name == "sqlite":
        return _find_on_sqlite(connection, tables)
    rows = connection.execute(_SEQUENCES, {"tables": list(tables)}).all()
    if not rows:
        return []
    query = " UNION ALL ".join(_state(connection, place, row) for place, row in enumerate(rows))
    states = {place: state for place, *state in connection.exec_driver_sql(query)}
    return [_generator(row, *states[place]) for place, row in enumerate(rows)]


def raise_behind(connection: Connection, tables: tuple[str, ...]) -> list[Generator]:
    """Set the generators that are behind their rows; return their states before that.

    Runs in the transaction of the caller. Raises GeneratorError if our role may not set one.
    """
    if not (behind := _find_behind(connection, tables)):
        return []
    for generator in behind:
        _require_settable(generator)
    _lock(connection, [generator.table for generator in behind])
    behind = _find_behind(connection, tables)
    for generator in behind:
        _set(connection, generator)
    return behind


def _find_behind(connection: Connection, tables: tuple[str, ...]) -> list[Generator]:
    return [generator for generator in find(connection, tables) if generator.is_behind]


def _require_settable(generator: Generator) -> None:
    if not generator.settable:
        raise GeneratorError(
            f"{generator.problem}; this role may not set the sequence {generator.name}, so run as"
            f" {generator.owner}: SELECT setval('{generator.name}', {generator.highest})"
        )


def _lock(connection: Connection, tables: list[str]) -> None:
    """Let nobody else add rows until the transaction ends. On SQLite no lock is needed for that."""
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer.quote
        names = ", ".join(map(quote, tables))
        connection.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))


def _state(connection: Connection, place: int, row: Any) -> str:
    """Return a SELECT of the next value and the highest id; NULL for what our role may not read."""
    quote = connection.dialect.identifier_preparer.quote
    # The sequence itself is exact. The view has NULL if the sequence was set and not used since.
    next_value = (
        f"(SELECT last_value + CASE WHEN is_called THEN {row.increment_by} ELSE 0 END"
        f" FROM {row.name})"
        if row.visible
        else "NULL::bigint"
        if row.last_value is None
        else f"{row.last_value + row.increment_by}::bigint"
    )
    highest = f"(SELECT max({quote(row.column_name)}) FROM {quote(row.table_name)})::bigint"
    return f"SELECT {place}, {next_value}, {highest if row.readable else 'NULL::bigint'}"


def _generator(row: Any, next_value: int | None, highest: int | None) -> Generator:
    return Generator(
        table=row.table_name,
        column=row.column_name,
        name=row.name,
        next_value=next_value if row.increment_by > 0 else None,
        highest=highest,
        owner=row.owner,
        role=row.role,
        usable=row.usable,
        settable=row.settable,
    )


def _find_on_sqlite(connection: Connection, tables: tuple[str, ...]) -> list[Generator]:
    if connection.scalar(_HAS_AUTOINCREMENT) is None:
        return []
    found = []
    for table, given in connection.execute(_AUTOINCREMENT).all():
        if table in tables:
            query = f"SELECT max(rowid) FROM {table}"
            highest = connection.scalar(text(query))
            found.append(Generator(table, "id", table, given + 1, highest))
    return found


def _set(connection: Connection, generator: Generator) -> None:
    if connection.dialect.name == "sqlite":
        values = {"table": generator.table, "highest": generator.highest}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), values)
        connection.execute(text("INSERT INTO sqlite_sequence VALUES (:table, :highest)"), values)
        return
    connection.execute(
        text("SELECT setval(CAST(CAST(:name AS text) AS regclass), :highest)"),
        {"name": generator.name, "highest": generator.highest},
    )
