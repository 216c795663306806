"""A database of the Flask application is taken over with everything that was in it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.migrations import head, upgrade
from tests.migrations import flask
from tests.migrations.conftest import Factory, prepare_flask
from tests.migrations.databases import Database
from tests.migrations.flask import LONG


@pytest.fixture(scope="module")
def adopted(factory: Factory) -> Iterator[Database]:
    """Taken over once, and only read by the tests."""
    with factory.new(prepare_flask) as database:
        asyncio.run(upgrade(database.settings))
        yield database


def test_schema_is_that_of_a_new_database(adopted: Database, database_at_head: Database) -> None:
    assert adopted.revision() == head()
    assert adopted.shape() == database_at_head.shape()


def test_flask_sqlalchemy_makes_these_tables(database: Database) -> None:
    """The two classes as they are in the Flask application, on the Flask application's library."""
    flask.make_tables(database)
    expected = database.shape()
    database.run("DROP TABLE books", "DROP TABLE users")
    with database.connect() as connection:
        _flask_metadata().create_all(connection)
    assert database.shape() == expected


def _flask_metadata() -> Any:
    import flask_sqlalchemy
    import sqlalchemy as sa

    db: Any = flask_sqlalchemy.SQLAlchemy()

    class User(db.Model):  # type: ignore[misc]  # made at run time
        __tablename__ = "users"
        id = sa.Column(sa.Integer, primary_key=True, autoincrement=True)
        email = sa.Column(sa.String, unique=True, nullable=False)
        password_hashed = sa.Column(sa.String(128), nullable=False)
        registered_on = sa.Column(sa.DateTime(), nullable=False)

    class Book(db.Model):  # type: ignore[misc]  # made at run time
        __tablename__ = "books"
        id = sa.Column(sa.Integer, primary_key=True, autoincrement=True)
        title = sa.Column(sa.String)
        author = sa.Column(sa.String)
        rating = sa.Column(sa.Integer)
        user_id = sa.Column(sa.Integer, sa.ForeignKey("users.id"))

    return db.metadata


def test_accounts_are_kept(adopted: Database) -> None:
    hashes = {flask.SCRYPT if adopted.is_sqlite else flask.PBKDF2}
    assert {value for (value,) in adopted.rows("SELECT password_hashed FROM users")} == hashes
    assert adopted.value("SELECT count(*) FROM users") == len(flask.EMAILS)


def test_addresses_in_lower_case_unless_taken_or_not_ascii(adopted: Database) -> None:
    assert dict(adopted.rows("SELECT id, email FROM users")) == flask.EMAILS | {
        2: "bob@example.com",
        5: "dave@example.com",
        9: "ida.i@example.com",
    }


def test_time_of_registration_is_read_as_utc(adopted: Database) -> None:
    text = "registered_on" if adopted.is_sqlite else "(registered_on AT TIME ZONE 'UTC')::text"
    assert adopted.value(f"SELECT {text} FROM users WHERE id = 1") == "2024-03-01 23:30:00.123456"


def test_broken_books_are_made_to_fit(adopted: Database) -> None:
    expected: dict[int, tuple[Any, ...]] = {
        **flask.books(adopted),
        3: ("Edited", "Without a check", None, 2),
        4: ("(untitled)", "Nobody", 3, 2),
        5: ("(untitled)", "(unknown)", None, 3),
        6: (LONG[:500], "x" * 300, None, 3),
        13: ("Half a star", "Odd", None, 1),
        14: ("Not a number", "Odd", None, 1),
        15: ("(untitled)", "Odd", 1, 1),
    }
    for key in expected.keys() - flask.books(adopted).keys() | {8, 9, 12}:
        expected.pop(key, None)
    found = adopted.rows("SELECT id, title, author, rating, user_id FROM books")
    assert {key: tuple(values) for key, *values in found} == expected


def test_what_did_not_fit_is_kept_whole(adopted: Database) -> None:
    found = adopted.rows("SELECT id, title, author, rating, user_id, reason FROM legacy_books")
    originals = flask.books(adopted)
    reasons = flask.kept(adopted)
    assert {key: tuple(values) for key, *values in found} == {
        key: (*originals[key], reasons[key]) for key in reasons
    }


def test_report_counts_what_is_kept_and_names_nobody(
    flask_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="service")
    asyncio.run(upgrade(flask_database.settings))
    for reason, count in Counter(flask.kept(flask_database).values()).items():
        assert f"{count} books kept as they were in legacy_books: {reason}\n" in caplog.text
    assert "3 addresses put in lower case, 2 left" in caplog.text
    assert "4 accounts are twins: they have 2 addresses between them" in caplog.text
    assert "2 accounts have an address with letters beyond ASCII" in caplog.text
    assert "1 books have a title or an author that shows nothing" in caplog.text
    assert "unknown kind" not in caplog.text
    assert "@" not in caplog.text
    assert "Dune" not in caplog.text


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE users SET password_hashed = 'md5$abc' WHERE id < 3", "2 accounts have a password"),
        ("UPDATE users SET email = 'alice' WHERE id = 1", "1 accounts have an address without @"),
        (
            "UPDATE books SET title = '\u200b\u3164 ' WHERE id = 1",
            "2 books have a title or an auth",
        ),
        ("UPDATE users SET email = 'bob2@example.com' WHERE id = 2", "4 accounts are twins"),
        ("DELETE FROM users WHERE id IN (3, 6)", None),
    ],
)
def test_report_of_what_is_unusual(
    flask_database: Database, caplog: pytest.LogCaptureFixture, statement: str, told: str | None
) -> None:
    """What stays as it is, is counted too."""
    caplog.set_level(logging.INFO, logger="service")
    flask_database.run("UPDATE books SET user_id = 1 WHERE user_id IS NOT NULL", statement)
    asyncio.run(upgrade(flask_database.settings))
    assert told is None or told in caplog.text
    assert ("twins" in caplog.text) == (told is not None)


def test_times_of_older_books_are_that_of_the_migration(adopted: Database) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    text = "created_at" if adopted.is_sqlite else "(created_at AT TIME ZONE 'UTC')::text"
    [(stored,)] = adopted.rows(f"SELECT DISTINCT {text} FROM books WHERE created_at = updated_at")
    assert timedelta() <= now - datetime.fromisoformat(stored) < timedelta(minutes=5)


def test_the_flask_application_can_go_on_writing(flask_database: Database) -> None:
    """Both releases serve for a while during a deploy; the old one knows none of our columns."""
    asyncio.run(upgrade(flask_database.settings))
    flask_database.run(
        "INSERT INTO users (email, password_hashed, registered_on)"
        " VALUES ('erin@example.com', 'x', '2026-11-22 10:00:00')",
        "INSERT INTO books (title, author, rating, user_id) SELECT 'Emma', 'Jane Austen', 5, id"
        " FROM users WHERE email = 'erin@example.com'",
    )
    assert flask_database.value("SELECT count(*) FROM books WHERE title = 'Emma'") == 1


@pytest.mark.parametrize("kind", ["varchar(256)", "varchar", "text"])
def test_wider_hash_column(on_postgresql: Database, kind: str) -> None:
    """What operators did about current hashes, which the column was too narrow for."""
    flask.make_tables(on_postgresql)
    on_postgresql.run(
        f"ALTER TABLE users ALTER password_hashed TYPE {kind}",
        "CREATE INDEX ix_books_user_id ON books (user_id)",
    )
    flask.fill(on_postgresql)
    on_postgresql.run(f"UPDATE users SET password_hashed = '{flask.SCRYPT}'")
    asyncio.run(upgrade(on_postgresql.settings))
    assert on_postgresql.rows("SELECT DISTINCT password_hashed FROM users") == [(flask.SCRYPT,)]
    on_postgresql.go_down("baseline")
    assert on_postgresql.rows("SELECT DISTINCT password_hashed FROM users") == [(flask.SCRYPT,)]
    asyncio.run(upgrade(on_postgresql.settings))


def test_tables_of_others_are_left_alone(flask_database: Database) -> None:
    flask_database.run("CREATE TABLE notes (id integer PRIMARY KEY, text varchar)")
    flask_database.insert("notes", {"id": 1, "text": "ours"})
    before = _part(flask_database, "notes"), flask_database.rows("SELECT * FROM notes")
    asyncio.run(upgrade(flask_database.settings))
    assert (_part(flask_database, "notes"), flask_database.rows("SELECT * FROM notes")) == before


def _part(database: Database, table: str) -> list[Any]:
    return [row for rows in database.shape().values() for row in rows if row[0] == table]


def test_many_addresses_that_differ_in_case_only(database: Database) -> None:
    """More than one batch, and rows of one account name in several of them."""
    flask.make_tables(database)
    names = [f"N{number % 200}@X.org" for number in range(600)]
    spelled = [
        "".join(
            letter.upper() if number >> place & 1 else letter.lower()
            for place, letter in enumerate(name)
        )
        for number, name in enumerate(names)
    ]
    rows: list[dict[str, Any]] = [
        {"id": key, "email": email, "password_hashed": "x", "registered_on": "2024-01-01 00:00:00"}
        for key, email in enumerate(dict.fromkeys(spelled), 1)
    ]
    database.insert("users", *rows)
    asyncio.run(upgrade(database.settings))
    after = dict(database.rows("SELECT id, email FROM users"))
    before = {row["id"]: row["email"] for row in rows}
    for canonical in {email.lower() for email in before.values()}:
        group = [key for key, email in before.items() if email.lower() == canonical]
        holders = [key for key in group if before[key] == canonical] or [min(group)]
        assert [after[key] for key in holders] == [canonical]
        assert all(after[key] == before[key] for key in group if key not in holders)
