"""Two databases, one of each kind, and which of them is which."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.config import Settings
from tests.cli.backup.databases import database, fill, some_of_everything


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def here(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """An empty database: the test runs once on each kind."""
    with database(kind, request, tmp_path / "here.db") as settings:
        yield settings


@pytest.fixture
def there(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """An empty database of the other kind."""
    other = "postgresql" if kind == "sqlite" else "sqlite"
    with database(other, request, tmp_path / "there.db") as settings:
        yield settings


@pytest.fixture
def on_sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    with database("sqlite", request, tmp_path / "app.db") as settings:
        yield settings


@pytest.fixture
def on_postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    with database("postgresql", request, tmp_path) as settings:
        yield settings


@pytest.fixture
async def filled(here: Settings) -> Settings:
    """A database with some of everything."""
    await fill(here, some_of_everything())
    return here
