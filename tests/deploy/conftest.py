"""Variables for an instance of the service, on a database of the test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SECRET_KEY
from tests.deploy.instances import venv
from tests.migrations.conftest import new_postgresql
from tests.migrations.databases import Database
from tests.servers import free_port


@pytest.fixture
def empty_database(postgresql_url: str) -> Iterator[Database]:
    with new_postgresql(postgresql_url) as database:
        yield database


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A database at head."""
    path = tmp_path / "app.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """All but DATABASE_URL."""
    return {
        **venv(),
        "HOME": str(tmp_path),
        "CONFIG_TYPE": "testing",
        "SECRET_KEY": SECRET_KEY,
        "PORT": str(free_port()),
    }
