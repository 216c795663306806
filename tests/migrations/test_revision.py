"""Which revision a database has, as the status page and a cold start ask."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from service.migrations import current_revision, head
from service.migrations.connections import connect
from tests.migrations.databases import Database


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    async with connect(database.settings.database) as connection:
        yield connection


async def test_without_a_version_table(connection: AsyncConnection) -> None:
    assert await current_revision(connection) is None
    # The connection is of use afterwards: on PostgreSQL the error ended its transaction.
    assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1


@pytest.mark.parametrize("versions", [[], ["baseline", "sessions"]])
async def test_none_or_several(connection: AsyncConnection, versions: list[str]) -> None:
    await connection.exec_driver_sql("CREATE TABLE alembic_version (version_num varchar(32))")
    for version in versions:
        await connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{version}')")
    assert await current_revision(connection) is None


async def test_at_head_and_before(database_at_head: Database) -> None:
    async with connect(database_at_head.settings.database) as connection:
        assert await current_revision(connection) == head()
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'baseline'")
        assert await current_revision(connection) == "baseline"
    assert database_at_head.revision() == head()


async def test_other_errors_are_not_hidden(connection: AsyncConnection) -> None:
    await connection.exec_driver_sql("CREATE TABLE alembic_version (other integer)")
    with pytest.raises(Exception, match="version_num"):
        await current_revision(connection)
