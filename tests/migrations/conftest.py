"""Databases of both kinds, new for each test."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from tests.migrations import flask
from tests.migrations.databases import Database


@contextmanager
def new_postgresql(server: str, template: str | None = None) -> Iterator[Database]:
    """A database that is dropped at the end, even if somebody is still connected."""
    name = f"migrations_{secrets.token_hex(6)}"
    admin = make_url(server)
    _run_alone(server, f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
    try:
        yield Database(admin.set(database=name).render_as_string(hide_password=False))
    finally:
        _run_alone(server, f"DROP DATABASE {name} WITH (FORCE)")


def _run_alone(server: str, statement: str) -> None:
    """CREATE DATABASE and DROP DATABASE run in no transaction."""
    with Database(server).connect() as connection:
        connection.execute(text("COMMIT"))
        connection.exec_driver_sql(statement)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path / 'app.db'}")
        return
    with new_postgresql(request.getfixturevalue("postgresql_url")) as new:
        yield new


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'app.db'}")


@pytest.fixture
def on_postgresql(postgresql_url: str) -> Iterator[Database]:
    with new_postgresql(postgresql_url) as new:
        yield new


@pytest.fixture
def flask_database(database: Database) -> Database:
    """The Flask application's, with rows of every kind."""
    flask.make_tables(database)
    flask.fill(database)
    return database


@pytest.fixture
def database_at_head(request: pytest.FixtureRequest, database: Database) -> Iterator[Database]:
    """Another one of the same kind, brought to head from nothing."""
    if database.is_sqlite:
        other = Database(f"sqlite:///{database.path.with_name('other.db')}")
        other.go_up()
        yield other
        return
    with new_postgresql(request.getfixturevalue("postgresql_url")) as other:
        other.go_up()
        yield other
