"""A database to migrate, seen from outside: through drivers of its own, which know no migration."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Inspector, create_engine, event, inspect, make_url, text
from sqlalchemy.pool import NullPool

from service.config import Settings
from service.migrations.revisions import ALEMBIC_INI

POSTGRESQL_SHAPE = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
        AND c.relname <> 'alembic_version' AND NOT a.attisdropped ORDER BY c.relname, a.attnum
        """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
        AND conname <> 'alembic_version_pkc' ORDER BY 1, 2
        """,
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND indexname <> 'alembic_version_pkc' ORDER BY 1, 2
        """,
}


@dataclass(frozen=True)
class Database:
    """`url` is what DATABASE_URL would be."""

    url: str

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def settings(self) -> Settings:
        return Settings.from_env({"CONFIG_TYPE": "testing", "DATABASE_URL": self.url})

    @property
    def path(self) -> Path:
        """Of SQLite's file."""
        return Path(self.name)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in a transaction that is committed at the end."""
        engine = create_engine(_sync(self.url), poolclass=NullPool)
        if self.is_sqlite:
            event.listen(engine, "connect", _leave_transactions_to_us)
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def run(self, *statements: str) -> None:
        """Statements for either database: `%` and `:` stand for themselves."""
        with self.connect() as connection:
            connection.execution_options(no_parameters=True)
            for statement in statements:
                connection.exec_driver_sql(statement)

    def run_alone(self, statement: str) -> None:
        """A statement that PostgreSQL runs in no transaction."""
        engine = create_engine(_sync(self.url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def insert(self, table: str, *rows: dict[str, Any]) -> None:
        with self.connect() as connection:
            names = ", ".join(rows[0])
            values = ", ".join(f":{name}" for name in rows[0])
            statement = text(f"INSERT INTO {table} ({names}) VALUES ({values})")
            connection.execute(statement, list(rows))

    @property
    def name(self) -> str:
        return make_url(self.url).database or ""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return [tuple(map(_bytes, row)) for row in connection.execute(text(query))]

    def value(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def revision(self) -> str:
        """Fails where there is not exactly one."""
        [(revision,)] = self.rows("SELECT version_num FROM alembic_version")
        return str(revision)

    def tables(self) -> set[str]:
        with self.connect() as connection:
            return set(inspect(connection).get_table_names())

    def go_up(self, revision: str = "head") -> None:
        """As `alembic upgrade` does."""
        command.upgrade(self.config(), revision)

    def go_down(self, revision: str) -> None:
        command.downgrade(self.config(), revision)

    def config(self) -> Config:
        return Config(ALEMBIC_INI, attributes={"settings": self.settings})

    def shape(self) -> dict[str, Any]:
        """Columns, constraints and indexes of every table but Alembic's, by name.

        On SQLite also which tables are AUTOINCREMENT.
        """
        with self.connect() as connection:
            if self.is_sqlite:
                return _sqlite_shape(connection)
            return _postgresql_shape(connection)

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        return {
            name: sorted(self.rows(f"SELECT * FROM {name}"), key=repr) for name in self.tables()
        }

    def content_without_times(self) -> dict[str, list[tuple[Any, ...]]]:
        """The same, but for the times of books, which a migration itself fills in."""
        content = self.content()
        names = [name for table, name, *_ in self.shape()["columns"] if table == "books"]
        end = names.index("created_at") if "created_at" in names else len(names)
        content["books"] = sorted((row[:end] for row in content["books"]), key=repr)
        return content

    def fingerprint(self) -> Any:
        """Differs as soon as anything was written: SQLite's bytes, PostgreSQL's row versions."""
        if self.is_sqlite:
            names = sorted(path.name for path in self.path.parent.glob(f"{self.path.name}*"))
            kept = [name for name in names if not name.endswith(".lock")]
            return kept, hashlib.sha256(self.path.read_bytes()).hexdigest()
        with self.connect() as connection:
            queries = [
                f"SELECT ctid::text, xmin::text, t.*::text FROM {name} AS t"
                for name in inspect(connection).get_table_names()
            ]
            queries.append(
                "SELECT relname, relkind, relfilenode, xmin::text FROM pg_class"
                " WHERE relnamespace = current_schema()::regnamespace ORDER BY relname"
            )
            return [connection.exec_driver_sql(query).all() for query in queries]


def _sync(url: str) -> URL:
    driver = "sqlite" if url.startswith("sqlite") else "postgresql+psycopg2"
    return make_url(url).set(drivername=driver)


def _bytes(value: Any) -> Any:
    """psycopg2's buffers have no text to sort by."""
    return bytes(value) if isinstance(value, memoryview) else value


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _postgresql_shape(connection: Connection) -> dict[str, Any]:
    """Read from the catalogue: a constraint that is NOT VALID says so there."""
    return {
        part: [tuple(row) for row in connection.exec_driver_sql(query)]
        for part, query in POSTGRESQL_SHAPE.items()
    }


def _sqlite_shape(connection: Connection) -> dict[str, Any]:
    inspector = inspect(connection)
    tables = sorted(set(inspector.get_table_names()) - {"alembic_version"})
    return {
        "columns": [
            (table, column["name"], str(column["type"]), column["nullable"], column["default"])
            for table in tables
            for column in inspector.get_columns(table)
        ],
        "constraints": sorted(
            (table, *constraint)
            for table in tables
            for constraint in _constraints(inspector, table)
        ),
        "indexes": sorted(
            (table, str(index["name"]), f"{index['column_names']} {bool(index['unique'])}")
            for table in tables
            for index in inspector.get_indexes(table)
        ),
        # Which the inspector does not tell.
        "ids_given_once": sorted(
            (name,)
            for name, sql in connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
            )
            if "AUTOINCREMENT" in sql
        ),
    }


def _constraints(inspector: Inspector, table: str) -> Iterator[tuple[str, str]]:
    primary = inspector.get_pk_constraint(table)
    yield str(primary["name"]), f"primary key {primary['constrained_columns']}"
    for unique in inspector.get_unique_constraints(table):
        yield str(unique["name"]), f"unique {unique['column_names']}"
    for check in inspector.get_check_constraints(table):
        yield str(check["name"]), f"check {check['sqltext']}"
    for key in inspector.get_foreign_keys(table):
        target = f"{key['referred_table']} {key['referred_columns']} {key['options']}"
        yield str(key["name"]), f"{key['constrained_columns']} references {target}"
