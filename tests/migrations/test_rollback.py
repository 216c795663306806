"""A release was taken back, and the schema that it made is still there."""

import asyncio

import pytest

from service.migrations import SchemaError, reset, upgrade
from tests.migrations.databases import Database
from tests.migrations.test_command import environment, migrate


@pytest.fixture
def later(database_at_head: Database) -> Database:
    """As the next release leaves it: more than we know, and all that we do."""
    database_at_head.run(
        "UPDATE alembic_version SET version_num = 'next_release'",
        "ALTER TABLE books ADD COLUMN isbn varchar",
        "CREATE TABLE shelves (id integer PRIMARY KEY)",
    )
    return database_at_head


def test_it_is_left_as_it_is(later: Database) -> None:
    before = later.fingerprint()
    assert asyncio.run(upgrade(later.settings)) == "next_release"
    assert later.fingerprint() == before


def test_it_is_not_ours_to_delete(later: Database) -> None:
    before = later.fingerprint()
    with pytest.raises(SchemaError, match="unknown to this release"):
        asyncio.run(reset(later.settings))
    assert later.fingerprint() == before


def test_migrate_lets_the_deploy_go_on(later: Database) -> None:
    """A platform runs it before an earlier release, too, and deploys nothing where it fails."""
    done = migrate(environment(later))
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert line.startswith("WARNING")
    assert "at next_release, which a later release made" in line


@pytest.mark.parametrize("name", ["version", "rating"])
def test_without_a_column_of_ours(later: Database, name: str) -> None:
    later.run(f"ALTER TABLE books RENAME COLUMN {name} TO gone")
    done = migrate(environment(later))
    assert done.returncode == 1
    assert "'next_release' is unknown to this release" in done.stderr
