"""A database that is neither empty, nor ours, nor the Flask application's is refused untouched."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from service.config import Settings
from service.migrations import SchemaError, reset, upgrade
from tests.migrations.databases import Database

# What was done to the Flask application's database, and what the refusal must say about it.
BOTH = {
    "ALTER TABLE books ADD COLUMN isbn varchar": "books.isbn is unknown",
    "ALTER TABLE books RENAME COLUMN rating TO stars": "books.rating is missing; books.stars is",
    "DROP TABLE books": "it has users, but no books",
    "CREATE TABLE sessions (id integer)": "a table of another application .*: sessions",
    "CREATE VIEW rate_limits AS SELECT 1 AS id": "a table of another application .*: rate_limits",
    "CREATE VIEW readers AS SELECT email FROM users": "depends on it: readers",
    "CREATE UNIQUE INDEX one_title ON books (title)": r"unknown unique index \(one_title\)",
    "CREATE TABLE alembic_version (version_num varchar(32))": "alembic_version is empty",
    "UPDATE users SET email = '{long}' WHERE id = 1": "1 accounts have an address of",
}
POSTGRESQL = {
    "ALTER TABLE books ALTER rating TYPE bigint": "books.rating is of type BIGINT",
    "ALTER TABLE users ALTER email TYPE varchar(100)": r"users.email is of type VARCHAR\(100\)",
    "ALTER TABLE users ALTER password_hashed TYPE varchar(127)": "password_hashed is of type",
    "ALTER TABLE users ALTER registered_on TYPE timestamptz": "users.registered_on is of type",
    "ALTER TABLE users ALTER email DROP NOT NULL": "users.email may be NULL",
    "ALTER TABLE books ALTER title SET DEFAULT ''": "books.title has the wrong default",
    "ALTER TABLE users ALTER id DROP DEFAULT": "users.id has the wrong default",
    "ALTER TABLE users DROP CONSTRAINT users_email_key": r"users has no key \(email\)",
    "ALTER TABLE users RENAME CONSTRAINT users_email_key TO mine": "the unexpected name mine",
    "ALTER TABLE books DROP CONSTRAINT books_user_id_fkey": r"books has no fkey \(user_id\)",
    "ALTER TABLE books ADD CHECK (rating < 100)": "books has an unknown check",
    "CREATE MATERIALIZED VIEW sessions AS SELECT 1 AS id": "a table of another application",
    "ALTER TABLE users ALTER password_hashed TYPE text;"
    "UPDATE users SET password_hashed = repeat('x', 256) WHERE id < 3": "2 accounts have",
}
SQLITE = {
    "CREATE TRIGGER t AFTER DELETE ON users BEGIN SELECT 1; END": "depends on it: t",
    'CREATE TABLE "Sessions" (id integer)': "a table of another application",
}


Attempt = Callable[[Settings], Coroutine[None, None, object]]


def refused(database: Database, match: str, attempt: Attempt = upgrade) -> None:
    before = database.fingerprint()
    with pytest.raises(SchemaError, match=match) as caught:
        asyncio.run(attempt(database.settings))
    message = str(caught.value)
    assert "this database cannot be taken over, and was not changed: " in message
    assert "\n" not in message
    assert "@" not in message
    assert database.fingerprint() == before


@pytest.mark.parametrize(("change", "match"), BOTH.items())
def test_flask_database_changed(flask_database: Database, change: str, match: str) -> None:
    flask_database.run(change.format(long="a" * 255))
    refused(flask_database, match)


@pytest.mark.parametrize(("change", "match"), POSTGRESQL.items())
def test_flask_database_changed_on_postgresql(
    flask_on_postgresql: Database, change: str, match: str
) -> None:
    flask_on_postgresql.run(*change.split(";"))
    refused(flask_on_postgresql, match)


@pytest.mark.parametrize(("change", "match"), SQLITE.items())
def test_flask_database_changed_on_sqlite(
    flask_on_sqlite: Database, change: str, match: str
) -> None:
    flask_on_sqlite.run(change)
    refused(flask_on_sqlite, match)


def test_somebody_elses_users(database: Database) -> None:
    database.run("CREATE TABLE users (id integer PRIMARY KEY, login varchar)")
    refused(database, "it has users, but no books")
    refused(database, "it has users, but no books", reset)


@pytest.mark.parametrize("revision", ["0123456789ab", "zzz_of_tomorrow"])
def test_unknown_revision(database: Database, revision: str) -> None:
    """With another schema than a later release, which only adds, would have made."""
    database.go_up()
    database.run(f"UPDATE alembic_version SET version_num = '{revision}'")
    database.run("ALTER TABLE users RENAME COLUMN registered_on TO since")
    refused(database, f"'{revision}' is unknown to this release")
    refused(database, f"'{revision}' is unknown to this release", reset)


def test_several_revisions(database: Database) -> None:
    database.go_up()
    database.run("INSERT INTO alembic_version VALUES ('baseline')")
    refused(database, "several rows")


def test_an_unrelated_database_is_an_empty_one(database: Database) -> None:
    """Tables of other names do not hinder us: the database may be shared."""
    database.run("CREATE TABLE notes (id integer PRIMARY KEY)")
    asyncio.run(upgrade(database.settings))
    assert "notes" in database.tables()


def test_a_version_table_that_was_left_empty(database: Database) -> None:
    database.go_up()
    database.go_down("base")
    assert database.tables() == {"alembic_version"}
    asyncio.run(upgrade(database.settings))
    assert "rate_limits" in database.tables()


def test_reset_leaves_nothing_of_ours(flask_database: Database) -> None:
    flask_database.run("CREATE TABLE notes (id integer PRIMARY KEY)")
    asyncio.run(upgrade(flask_database.settings))
    asyncio.run(reset(flask_database.settings))
    assert flask_database.tables() == {"notes"}
    asyncio.run(upgrade(flask_database.settings))
    assert flask_database.value("SELECT count(*) FROM users") == 0


def test_reset_stops_at_what_refers_to_us(on_postgresql: Database) -> None:
    asyncio.run(upgrade(on_postgresql.settings))
    on_postgresql.run("CREATE TABLE notes (user_id integer REFERENCES users)")
    before = on_postgresql.fingerprint()
    with pytest.raises(SchemaError, match="other objects depend"):
        asyncio.run(reset(on_postgresql.settings))
    assert on_postgresql.fingerprint() == before
