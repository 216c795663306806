"""Taking over a database of a language by whose rules I and i are different letters."""

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.migrations import head, upgrade
from tests.migrations import flask
from tests.migrations.databases import Database
from tests.migrations.turkish import turkish_database

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "from-flask.md"
TWINS = {20: "IRIS.I@EXAMPLE.COM", 21: "iris.i@example.com", 22: "Iris.I@Example.com"}


@pytest.fixture(scope="module")
def turkish(postgresql_url: str) -> Iterator[Database]:
    """The Flask application's, in Turkish, with twins that differ in I and i."""
    with turkish_database(postgresql_url) as database:
        flask.make_tables(database)
        flask.fill(database)
        rows = [
            {"id": key, "email": email, "password_hashed": "x", "registered_on": "2024-03-01"}
            for key, email in TWINS.items()
        ]
        database.insert("users", *rows)
        yield database


def queries(number: int) -> list[str]:
    """The statements of a chapter of the manual, in its order; without psql's own commands."""
    chapter = MANUAL.read_text().partition(f"\n## {number}. ")[2].partition("\n## ")[0]
    [script] = re.findall(r"<<'SQL'\n(.*?)^SQL$", chapter, re.MULTILINE | re.DOTALL)
    lines = "\n".join(line for line in script.splitlines() if not line.startswith("\\"))
    return [query for query in lines.split(";") if query.strip()]


def test_manual_finds_twins(turkish: Database) -> None:
    [query] = [query for query in queries(1) if "AS twins" in query]
    assert dict(turkish.rows(query)) == {
        "iris.i@example.com": 3,
        "carol@example.com": 2,
        "dave@example.com": 2,
    }


def test_take_over(turkish: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="service")
    asyncio.run(upgrade(turkish.settings))
    assert turkish.revision() == head()
    assert "7 accounts are twins: they have 3 addresses between them" in caplog.text
    emails = dict(turkish.rows("SELECT id, email FROM users"))
    assert emails == {**flask.EMAILS, **TWINS} | {
        2: "bob@example.com",
        5: "dave@example.com",
        9: "ida.i@example.com",
    }
    listed = {email for (email,) in turkish.rows(queries(4)[-1])}
    assert listed == {
        "Carol@Example.com",
        "Dave@example.com",
        "Ünal@EXAMPLE.com",
        "İ.I@example.com",
        "IRIS.I@EXAMPLE.COM",
        "Iris.I@Example.com",
    }
