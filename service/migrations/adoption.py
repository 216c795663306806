"""Takes over a database of the Flask application, if its schema is exactly the expected one.

Two differences are accepted. The column of the password hash may be wider, or text: PostgreSQL
refused new hashes until an operator had widened it. There may be more indexes that are not unique.
Any other database is refused and not changed.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, Inspector, inspect, text

from service.migrations import generators
from service.migrations.odd_rows import count_oddities
from service.migrations.revisions import ALEMBIC_INI, BASELINE, SchemaError, parents

logger = logging.getLogger(__name__)

# A table comes before the tables that it refers to.
OURS = (
    "idempotency_keys",
    "access_tokens",
    "rate_limits",
    "sessions",
    "legacy_books",
    "books",
    "users",
)
FLASK = frozenset({"users", "books"})
VERSION_TABLE = "alembic_version"

TIME = r"TIMESTAMP WITHOUT TIME ZONE|DATETIME"
# A pattern for each column's type, and whether it may be NULL.
COLUMNS = {
    "users": {
        "id": ("INTEGER", False),
        "email": ("VARCHAR", False),
        "password_hashed": (r"TEXT|VARCHAR|VARCHAR\((12[89]|1[3-9]\d|[2-9]\d\d|\d{4,})\)", False),
        "registered_on": (TIME, False),
    },
    "books": {
        "id": ("INTEGER", False),
        "title": ("VARCHAR", True),
        "author": ("VARCHAR", True),
        "rating": ("INTEGER", True),
        "user_id": ("INTEGER", True),
    },
}


class Constraint(NamedTuple):
    """The meaning of one constraint, without its name."""

    kind: str
    columns: str
    target: str = ""

    def name(self, table: str) -> str:
        """Return the name that PostgreSQL gives such a constraint by default."""
        return f"{table}_pkey" if self.kind == "pkey" else f"{table}_{self.columns}_{self.kind}"


CONSTRAINTS = {
    "users": {Constraint("pkey", "id"), Constraint("key", "email")},
    "books": {Constraint("pkey", "id"), Constraint("fkey", "user_id", "users(id)")},
}
# Values that no migration could change to fit, with their conditions in SQL.
UNFIT = {
    "a password hash of more than 255 characters": "length(password_hashed) > 255",
    "an address of more than 254 characters": "length(email) > 254",
}
DEPENDENT_VIEWS = {
    "postgresql": """
        SELECT DISTINCT view.relname FROM pg_depend AS link
        JOIN pg_rewrite ON pg_rewrite.oid = link.objid
        JOIN pg_class AS view ON view.oid = pg_rewrite.ev_class
        WHERE link.classid = 'pg_rewrite'::regclass
        AND link.refobjid IN ('users'::regclass, 'books'::regclass)
        """,
    "sqlite": """
        SELECT name FROM sqlite_master
        WHERE type IN ('view', 'trigger')
        AND (lower(sql) LIKE '%users%' OR lower(sql) LIKE '%books%')
        """,
}


def adopt_if_needed(connection: Connection) -> None:
    """Give a database of the Flask application the baseline revision; leave others unchanged.

    Raises SchemaError, and changes nothing, for a database that is neither empty, nor the Flask
    application's, nor at a revision of ours. Tables whose names we do not use are ignored.
    """
    with connection.begin():
        tables = _tables(connection)
        versions = _versions(connection) if VERSION_TABLE in tables else []
        if versions:
            _check_known(versions)
            return
        if not tables & set(OURS):
            return
        if VERSION_TABLE in tables:
            raise _refusal("alembic_version is empty, but there are tables")
        _check_flask(connection, tables)
        for oddity in count_oddities(connection):
            logger.warning("schema: %s", oddity)
        _stamp(connection)


def _tables(connection: Connection) -> set[str]:
    inspector = inspect(connection)
    names = {*inspector.get_table_names(), *inspector.get_view_names()}
    if connection.dialect.name == "postgresql":
        return {*names, *inspector.get_materialized_view_names()}
    return {name.lower() for name in names}  # for SQLite, Users is the same table as users


def _versions(connection: Connection) -> list[str]:
    return list(connection.scalars(text("SELECT version_num FROM alembic_version")))


def _check_known(versions: list[str]) -> None:
    if len(versions) > 1:
        raise _refusal("alembic_version has several rows")
    if versions[0] not in parents():
        raise _refusal(
            f"its revision {versions[0]!r} is unknown to this release,"
            " so it belongs to a newer release or to another application"
        )


def _check_flask(connection: Connection, tables: set[str]) -> None:
    if missing := FLASK - tables:
        raise _refusal(f"it has {_names(tables & set(OURS))}, but no {_names(missing)}")
    if foreign := tables & (set(OURS) - FLASK):
        raise _refusal(
            f"a table of another application has the name of one of ours: {_names(foreign)}"
        )
    if differences := list(_differences(connection)):
        raise _refusal(f"it is not the Flask application's: {'; '.join(differences)}")
    if unfit := [*_unfit_values(connection), *_unfit_generators(connection)]:
        raise _refusal("; ".join(unfit))


def _differences(connection: Connection) -> Iterator[str]:
    inspector = inspect(connection)
    for table in sorted(FLASK):
        yield from _different_columns(inspector, table)
        yield from _different_constraints(inspector, table)
    for view in connection.scalars(text(DEPENDENT_VIEWS[connection.dialect.name])):
        yield f"a view or trigger depends on it: {view}"


def _different_columns(inspector: Inspector, table: str) -> Iterator[str]:
    found = {column["name"]: column for column in inspector.get_columns(table)}
    expected = COLUMNS[table]
    for name in sorted(found.keys() ^ expected.keys()):
        yield f"{table}.{name} is {'unknown' if name in found else 'missing'}"
    for name in expected.keys() & found.keys():
        pattern, nullable = expected[name]
        kind = found[name]["type"].compile(inspector.dialect)
        if not re.fullmatch(pattern, kind):
            yield f"{table}.{name} is of type {kind}"
        if found[name]["nullable"] != nullable:
            yield f"{table}.{name} {'is NOT NULL' if nullable else 'may be NULL'}"
        if not _is_default_expected(inspector, name, found[name]):
            yield f"{table}.{name} has the wrong default"


def _is_default_expected(inspector: Inspector, name: str, column: Any) -> bool:
    default = column["default"] or ("identity" if column.get("identity") else "")
    if name == "id" and inspector.dialect.name == "postgresql":
        return default.startswith(("nextval(", "identity"))
    return default == ""


def _different_constraints(inspector: Inspector, table: str) -> Iterator[str]:
    found = dict(_constraints(inspector, table))
    for kind, columns, target in sorted(found.keys() - CONSTRAINTS[table]):
        yield f"{table} has an unknown {kind} ({columns}) {target}".rstrip()
    for kind, columns, target in sorted(CONSTRAINTS[table] - found.keys()):
        yield f"{table} has no {kind} ({columns}) {target}".rstrip()
    for key in CONSTRAINTS[table] & found.keys():
        # On PostgreSQL the migrations find constraints by name. On SQLite they copy whole tables.
        if inspector.dialect.name == "postgresql" and found[key] != key.name(table):
            yield f"{table} has a constraint with the unexpected name {found[key]}"


def _constraints(inspector: Inspector, table: str) -> Iterator[tuple[Constraint, str | None]]:
    primary = inspector.get_pk_constraint(table)
    yield Constraint("pkey", ",".join(primary["constrained_columns"])), primary["name"]
    for unique in inspector.get_unique_constraints(table):
        yield Constraint("key", ",".join(unique["column_names"])), unique["name"]
    for index in inspector.get_indexes(table):
        if index["unique"] and "duplicates_constraint" not in index:
            yield Constraint("unique index", str(index["name"])), index["name"]
    for check in inspector.get_check_constraints(table):
        yield Constraint("check", check["sqltext"]), check["name"]
    for foreign in inspector.get_foreign_keys(table):
        target = f"{foreign['referred_table']}({','.join(foreign['referred_columns'])})"
        options = " ".join(f"{key} {value}" for key, value in foreign["options"].items())
        columns = ",".join(foreign["constrained_columns"])
        yield Constraint("fkey", columns, f"{target} {options}".rstrip()), foreign["name"]


def _unfit_values(connection: Connection) -> Iterator[str]:
    for what, condition in UNFIT.items():
        query = f"SELECT count(*) FROM users WHERE {condition}"
        if count := connection.scalar(text(query)):
            yield f"{count} accounts have {what}"


def _unfit_generators(connection: Connection) -> Iterator[str]:
    """Yield the sequences that cannot give the next id, and that our role cannot mend."""
    for generator in generators.find(connection, tuple(sorted(FLASK))):
        if generator.problem and not (generator.usable and generator.settable):
            yield (
                f"{generator.problem}; as {generator.owner},"
                f" ALTER SEQUENCE {generator.name} OWNER TO {generator.role}"
            )


def _stamp(connection: Connection) -> None:
    """Make the version table and write the baseline into it, in the transaction of the caller."""
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(Config(ALEMBIC_INI))
    MigrationContext.configure(connection).stamp(script, BASELINE)
    logger.info("schema: a database of the Flask application, taken over as %s", BASELINE)


def _names(tables: Iterable[str]) -> str:
    return ", ".join(sorted(tables))


def _refusal(reason: str) -> SchemaError:
    return SchemaError(f"this database cannot be taken over, and was not changed: {reason}")
