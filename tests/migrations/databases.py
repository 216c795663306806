"""A database to migrate, seen from outside: through drivers of its own, which know no migration."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, create_engine, event, inspect, make_url, text
from sqlalchemy.pool import NullPool

from service.config import Settings
from service.schema.revisions import ALEMBIC_INI


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
        return Path(make_url(self.url).database or "")

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
            for statement in statements:
                connection.exec_driver_sql(statement)

    def insert(self, table: str, *rows: dict[str, Any]) -> None:
        with self.connect() as connection:
            for row in rows:
                names = ", ".join(row)
                values = ", ".join(f":{name}" for name in row)
                connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

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
        """Every table but Alembic's: columns, constraints and indexes, by name."""
        with self.connect() as connection:
            names = set(inspect(connection).get_table_names()) - {"alembic_version"}
            return {name: _shape(connection, name) for name in sorted(names)}

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        return {
            name: sorted(self.rows(f"SELECT * FROM {name}"), key=repr) for name in self.tables()
        }

    def fingerprint(self) -> Any:
        """Differs as soon as anything was written: SQLite's bytes, PostgreSQL's row versions."""
        if self.is_sqlite:
            names = sorted(path.name for path in self.path.parent.glob(f"{self.path.name}*"))
            kept = [name for name in names if not name.endswith(".lock")]
            return kept, hashlib.sha256(self.path.read_bytes()).hexdigest()
        rows = {
            name: self.rows(f"SELECT ctid::text, xmin::text, t.*::text FROM {name} AS t")
            for name in self.tables()
        }
        catalogue = self.rows(
            "SELECT relname, relkind, relfilenode, xmin::text FROM pg_class"
            " WHERE relnamespace = current_schema()::regnamespace ORDER BY relname"
        )
        return self.shape(), rows, catalogue


def _sync(url: str) -> URL:
    driver = "sqlite" if url.startswith("sqlite") else "postgresql+psycopg2"
    return make_url(url).set(drivername=driver)


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _shape(connection: Connection, table: str) -> dict[str, Any]:
    inspector = inspect(connection)
    return {
        "columns": [
            (
                column["name"],
                column["type"].compile(connection.dialect),
                column["nullable"],
                column["default"],
            )
            for column in inspector.get_columns(table)
        ],
        "indexes": sorted(
            (str(index["name"]), tuple(index["column_names"]), bool(index["unique"]))
            for index in inspector.get_indexes(table)
            if "duplicates_constraint" not in index
        ),
        "constraints": sorted(_constraints(connection, table)),
    }


def _constraints(connection: Connection, table: str) -> Sequence[tuple[str, str]]:
    """Name and definition; PostgreSQL's says NOT VALID where it is."""
    if connection.dialect.name == "postgresql":
        query = text(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = CAST(:name AS regclass) AND contype <> 'n'"
        )
        return [(name, what) for name, what in connection.execute(query, {"name": table})]
    inspector = inspect(connection)
    primary = inspector.get_pk_constraint(table)
    return [
        (str(primary["name"]), f"primary key {primary['constrained_columns']}"),
        *(
            (str(unique["name"]), f"unique {unique['column_names']}")
            for unique in inspector.get_unique_constraints(table)
        ),
        *(
            (str(check["name"]), f"check {check['sqltext']}")
            for check in inspector.get_check_constraints(table)
        ),
        *(
            (
                str(key["name"]),
                f"{key['constrained_columns']} references {key['referred_table']}"
                f" {key['referred_columns']} {key['options']}",
            )
            for key in inspector.get_foreign_keys(table)
        ),
    ]
