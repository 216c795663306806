"""Statements that are compiled once: what they give, on both databases."""

from collections.abc import AsyncIterator

import pytest
from quart import Quart
from sqlalchemy import (
    Column,
    Executable,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    insert,
    literal_column,
    select,
    text,
    union_all,
)

from service import db
from service.db.statements import Connection, Statement, scalar

NUMBERS = union_all(*(select(literal_column(str(n)).label("n")) for n in (1, 2, 3))).subquery()
ABOVE = Statement(
    select(NUMBERS.c.n)
    .where(NUMBERS.c.n > bindparam("least", type_=Integer))
    .order_by(NUMBERS.c.n),
    scalar,
)


@pytest.fixture
async def connection(app: Quart) -> AsyncIterator[Connection]:
    async with app.app_context(), db.read() as connection:
        yield connection


async def test_rows(connection: Connection) -> None:
    assert await ABOVE.all(connection, least=1) == [2, 3]
    assert await ABOVE.first(connection, least=1) == 2
    assert await ABOVE.one(connection, least=2) == 3
    assert await ABOVE.all(connection, least=3) == []
    assert await ABOVE.first(connection, least=3) is None


async def test_one_of_none(connection: Connection) -> None:
    with pytest.raises(ValueError, match="not enough values"):
        await ABOVE.one(connection, least=3)


async def test_rows_become_what_is_asked_for(connection: Connection) -> None:
    both = Statement(select(NUMBERS.c.n, NUMBERS.c.n * 10).order_by(NUMBERS.c.n), dict_of)
    assert await both.all(connection) == [{1: 10}, {2: 20}, {3: 30}]


def dict_of(key: int, value: int) -> dict[int, int]:
    return {key: value}


async def test_a_value_is_missing(connection: Connection) -> None:
    """Never NULL in its place."""
    with pytest.raises(Exception, match=r"least|parameter"):
        await Statement(
            select(NUMBERS.c.n).where(NUMBERS.c.n > bindparam("least", required=True)), scalar
        ).all(connection)


async def test_constants(connection: Connection) -> None:
    """A value that stands in the statement needs no name."""
    found = Statement(select(NUMBERS.c.n).where(NUMBERS.c.n.in_([1, 3])), scalar)
    assert sorted(await found.all(connection)) == [1, 3]


async def test_built_once_for_each_dialect(connection: Connection) -> None:
    built: list[str] = []

    def build(dialect: str) -> Executable:
        built.append(dialect)
        return text(f"SELECT '{dialect}'")

    statement = Statement(build, scalar)
    for _ in range(3):
        assert await statement.one(connection) == connection.dialect
    assert built == [connection.dialect]


def test_default_of_python() -> None:
    """PostgreSQL's text cannot have a value that SQLAlchemy would compute before each run."""
    table = Table("t", MetaData(), Column("a", String, default=lambda: "x"), Column("b", String))
    with pytest.raises(TypeError, match="gives no value"):
        _ = Statement(insert(table).values(b="y"), scalar).for_asyncpg
