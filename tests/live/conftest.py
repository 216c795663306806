"""Servers to send to. Where the database does not matter it is SQLite, and shared by a module."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.processes import errors
from tests.servers import Gunicorn, gunicorn


@pytest.fixture(scope="module")
def module_environment(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The variables of a server on a database of the module's own."""
    path = tmp_path_factory.mktemp("module") / "app.db"
    shutil.copy(migrated_sqlite, path)
    return {
        "CONFIG_TYPE": "testing",
        "SECRET_KEY": secrets.token_urlsafe(32),
        "DATABASE_URL": f"sqlite:///{path}",
    }


@pytest.fixture(scope="module")
def shared_server(module_environment: dict[str, str]) -> Iterator[Gunicorn]:
    """Two workers. It must be well at the end: nothing may have gone wrong unforeseen."""
    with gunicorn(module_environment) as server:
        yield server
        assert errors(server.log()) == []


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Gunicorn]:
    """Two workers on each kind of database, for one test."""
    with gunicorn(environment) as server:
        yield server
        assert errors(server.log()) == []
