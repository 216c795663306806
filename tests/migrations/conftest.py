"""Databases of both kinds, new for each test: empty, at head, or the Flask application's."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.migrations import flask
from tests.migrations.databases import Database

Prepare = Callable[[Database], None]


def prepare_flask(database: Database) -> None:
    flask.make_tables(database)
    flask.fill(database)


@contextmanager
def new_postgresql(server: str, template: str | None = None) -> Iterator[Database]:
    """A database that is dropped at the end, even if somebody is still connected."""
    name = f"migrations_{secrets.token_hex(6)}"
    # The default strategy is made for servers that have other work, and takes twice the time.
    Database(server).run_alone(
        f"CREATE DATABASE {name} TEMPLATE {template or 'template0'} STRATEGY file_copy"
    )
    try:
        url = make_url(server).set(database=name).render_as_string(hide_password=False)
        yield Database(url)
    finally:
        Database(server).run_alone(f"DROP DATABASE {name} WITH (FORCE)")


class Factory:
    """Makes databases of one kind; what is prepared once is copied for each test."""

    def __init__(self, folder: Path, server: str | None) -> None:
        self._folder = folder
        self._server = server
        self._templates: dict[Prepare, Database] = {}
        self._number = 0
        self._open = ExitStack()

    @contextmanager
    def new(self, prepare: Prepare | None = None) -> Iterator[Database]:
        template = self._template(prepare) if prepare else None
        if self._server is None:
            yield self._new_sqlite(template)
        else:
            with new_postgresql(self._server, template.name if template else None) as database:
                yield database

    def _template(self, prepare: Prepare) -> Database:
        if prepare not in self._templates:
            database = self._new_sqlite() if self._server is None else self._new_template()
            prepare(database)
            self._templates[prepare] = database
        return self._templates[prepare]

    def _new_sqlite(self, template: Database | None = None) -> Database:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        database = Database(f"sqlite:///{folder / 'app.db'}")
        if template is not None:
            shutil.copy(template.path, database.path)
        return database

    def _new_template(self) -> Database:
        assert self._server is not None
        return self._open.enter_context(new_postgresql(self._server))

    def close(self) -> None:
        """Drop the templates."""
        self._open.close()


@pytest.fixture(scope="session")
def sqlite_factory(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    return Factory(tmp_path_factory.mktemp("migrations"), None)


@pytest.fixture(scope="session")
def postgresql_factory(postgresql_url: str) -> Iterator[Factory]:
    factory = Factory(Path(), postgresql_url)
    yield factory
    factory.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def factory(request: pytest.FixtureRequest) -> Factory:
    found: Factory = request.getfixturevalue(f"{request.param}_factory")
    return found


@pytest.fixture
def database(factory: Factory) -> Iterator[Database]:
    """An empty one."""
    with factory.new() as new:
        yield new


@pytest.fixture
def database_at_head(factory: Factory) -> Iterator[Database]:
    """Another one of the same kind, brought to head from nothing."""
    with factory.new(Database.go_up) as new:
        yield new


@pytest.fixture
def flask_database(factory: Factory) -> Iterator[Database]:
    """The Flask application's, with rows of every kind."""
    with factory.new(prepare_flask) as new:
        yield new


@pytest.fixture
def flask_on_postgresql(postgresql_factory: Factory) -> Iterator[Database]:
    with postgresql_factory.new(prepare_flask) as new:
        yield new


@pytest.fixture
def flask_on_sqlite(sqlite_factory: Factory) -> Iterator[Database]:
    with sqlite_factory.new(prepare_flask) as new:
        yield new


@pytest.fixture
def on_postgresql(postgresql_factory: Factory) -> Iterator[Database]:
    with postgresql_factory.new() as new:
        yield new
