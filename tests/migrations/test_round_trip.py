"""Up, down and up again: nothing of the Flask application's data is lost on any way."""

import asyncio
from typing import Any

import pytest

from service.migrations import upgrade
from service.migrations.revisions import parents
from tests.migrations import flask
from tests.migrations.databases import Database

BOOKS = "SELECT id, title, author, rating, user_id FROM books"


def in_order() -> list[str]:
    """Every revision, the baseline first."""
    after = {down: revision for revision, down in parents().items()}
    chain: list[str] = []
    while (step := after.get(chain[-1] if chain else None)) is not None:
        chain.append(step)
    return chain


def by_id(rows: list[tuple[Any, ...]]) -> dict[int, tuple[Any, ...]]:
    return {key: tuple(values) for key, *values in rows}


def test_each_step_down_and_up_again_on_old_data(flask_database: Database) -> None:
    """Each downgrade leaves the schema that was there before its upgrade, whatever is stored."""
    flask_database.run(*_stamp("baseline"))
    for before, revision in zip(in_order(), in_order()[1:], strict=False):
        shape = _named(flask_database)
        flask_database.go_up(revision)
        above, content = flask_database.shape(), flask_database.content_without_times()
        flask_database.go_down(before)
        assert _named(flask_database) == shape, revision
        flask_database.go_up(revision)
        assert flask_database.shape() == above, revision
        assert flask_database.content_without_times() == content, revision


def test_each_step_down_and_up_again_from_nothing(database: Database) -> None:
    for revision in in_order():
        database.go_up(revision)
    at_head = database.shape()
    shapes = []
    for revision in reversed(in_order()):
        shapes.append((revision, database.shape()))
        database.go_down("-1")
    assert database.tables() == {"alembic_version"}
    for revision, shape in reversed(shapes):
        database.go_up(revision)
        assert database.shape() == shape
    assert database.shape() == at_head


def test_down_to_the_baseline_puts_everything_back(flask_database: Database) -> None:
    before = _named(flask_database)
    books = by_id(flask_database.rows(BOOKS))
    accounts = "SELECT id, password_hashed, registered_on FROM users ORDER BY id"
    others = flask_database.rows(accounts)
    asyncio.run(upgrade(flask_database.settings))
    flask_database.go_down("baseline")
    assert _named(flask_database) == before
    assert by_id(flask_database.rows(BOOKS)) == books
    assert flask_database.rows(accounts) == others
    # What the downgrade does lose, as it says: how an address was spelled.
    emails = dict(flask_database.rows("SELECT id, email FROM users"))
    assert {key: email.lower() for key, email in emails.items()} == {
        key: email.lower() for key, email in flask.EMAILS.items()
    }


def test_up_again_gives_the_same(flask_database: Database) -> None:
    asyncio.run(upgrade(flask_database.settings))
    shape, content = flask_database.shape(), flask_database.content_without_times()
    flask_database.go_down("baseline")
    asyncio.run(upgrade(flask_database.settings))
    assert flask_database.shape() == shape
    assert flask_database.content_without_times() == content


def test_down_keeps_what_people_have_changed_since(flask_database: Database) -> None:
    asyncio.run(upgrade(flask_database.settings))
    flask_database.run(
        "UPDATE books SET title = 'Named at last' WHERE id = 5",
        "UPDATE books SET rating = 4 WHERE id = 3",
        "DELETE FROM books WHERE id = 6",
    )
    flask_database.insert("books", _book(100, "New", 1))
    flask_database.go_down("baseline")
    books = by_id(flask_database.rows(BOOKS))
    assert books[5] == ("Named at last", None, None, 3)
    assert books[3] == ("Edited", "Without a check", 4, 2)
    assert 6 not in books
    assert books[100] == ("New", "Somebody", 3, 1)


def test_down_finds_another_id_for_a_row_whose_id_was_given_away(flask_database: Database) -> None:
    """SQLite did so before ids_given_once; PostgreSQL would only do so by hand."""
    asyncio.run(upgrade(flask_database.settings))
    flask_database.insert("books", _book(8, "Newcomer", 1))
    if not flask_database.is_sqlite:
        flask_database.run("SELECT setval('books_id_seq', 1000)")
    flask_database.go_down("baseline")
    books = by_id(flask_database.rows(BOOKS))
    assert books.pop(8) == ("Newcomer", "Somebody", 3, 1)
    assert flask.BOOKS[8] in books.values()


@pytest.mark.parametrize("revision", ["books_rules", "books_repair", "books_enforce"])
def test_no_broken_book_slips_in_during_the_repair(
    flask_on_postgresql: Database, revision: str
) -> None:
    """From books_rules on, a release that does not know the rules is held to them."""
    flask_on_postgresql.run(*_stamp("baseline"))
    flask_on_postgresql.go_up(revision)
    for values in ("'', 'a', 1, 1", "'t', NULL, 1, 1", "'t', 'a', 6, 1", "'t', 'a', 1, NULL"):
        with pytest.raises(Exception, match=r"violates (check|not-null) constraint"):
            flask_on_postgresql.run(
                f"INSERT INTO books (title, author, rating, user_id) VALUES ({values})"
            )
    flask_on_postgresql.go_up()


def _book(key: int, title: str, owner: int) -> dict[str, Any]:
    return {"id": key, "title": title, "author": "Somebody", "rating": 3, "user_id": owner}


def _stamp(revision: str) -> tuple[str, ...]:
    return (
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
        f"INSERT INTO alembic_version VALUES ('{revision}')",
    )


def _named(database: Database) -> dict[str, Any]:
    """The schema, with names for what the Flask application left without one on SQLite."""
    shape = database.shape()
    if not database.is_sqlite:
        return shape
    names = {
        "primary key ['id']": "{}_pkey",
        "unique ['email']": "{}_email_key",
        "['user_id'] references users ['id'] {}": "{}_user_id_fkey",
    }
    shape["constraints"] = sorted(
        (table, names[what].format(table) if name == "None" else name, what)
        for table, name, what in shape["constraints"]
    )
    return shape
