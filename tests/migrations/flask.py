"""A database as the Flask application leaves it: its tables, and rows of every kind it let in."""

from typing import Any

from tests.migrations.databases import Database

# What Flask-SQLAlchemy 3.1 sends for the application's two classes.
TABLES = {
    "postgresql": (
        """
CREATE TABLE users (
	id SERIAL NOT NULL,
	email VARCHAR NOT NULL,
	password_hashed VARCHAR(128) NOT NULL,
	registered_on TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (email)
)""",
        """
CREATE TABLE books (
	id SERIAL NOT NULL,
	title VARCHAR,
	author VARCHAR,
	rating INTEGER,
	user_id INTEGER,
	PRIMARY KEY (id),
	FOREIGN KEY(user_id) REFERENCES users (id)
)""",
    ),
    "sqlite": (
        """
CREATE TABLE users (
	id INTEGER NOT NULL,
	email VARCHAR NOT NULL,
	password_hashed VARCHAR(128) NOT NULL,
	registered_on DATETIME NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (email)
)""",
        """
CREATE TABLE books (
	id INTEGER NOT NULL,
	title VARCHAR,
	author VARCHAR,
	rating INTEGER,
	user_id INTEGER,
	PRIMARY KEY (id),
	FOREIGN KEY(user_id) REFERENCES users (id)
)""",
    ),
}

PBKDF2 = "pbkdf2:sha256:260000$" + "s" * 16 + "$" + "0" * 64
SCRYPT = "scrypt:32768:8:1$" + "s" * 16 + "$" + "0" * 128  # one more than PostgreSQL's column takes

EMAILS = {
    1: "alice@example.com",
    2: "Bob@Example.COM",
    3: "carol@example.com",
    4: "Carol@Example.com",  # the younger one: carol@example.com is taken
    5: "DAVE@example.com",  # the older one of two, neither in lower case
    6: "Dave@example.com",
    7: "Ünal@EXAMPLE.com",  # not ASCII: left alone
    8: "İ.I@example.com",
    9: "IDA.I@example.com",
}

LONG = "Ψ" * 501
BOOKS: dict[int, tuple[str | None, str | None, int | None, int | None]] = {
    1: ("Dune", "Frank Herbert", 5, 1),
    2: ("Война и мир 📚", "Лев Толстой", None, 1),
    3: ("Edited", "Without a check", 99, 2),
    4: ("", "Nobody", 3, 2),
    5: (None, None, None, 3),
    6: (LONG, "x" * 301, 0, 3),
    7: ("x" * 500, "y" * 300, 1, 1),
    8: ("Ownerless", "Old", 4, None),
    9: ("Ownerless and wrong", "", -1, None),
    10: (" ", "\t", 2, 1),
    11: ("(untitled)", "Real", 2, 1),
}
# SQLite holds no foreign keys and no types.
LOOSE_BOOKS: dict[int, tuple[Any, ...]] = {
    12: ("Owner gone", "Old", 4, 77),
    13: ("Half a star", "Odd", 2.5, 1),
    14: ("Not a number", "Odd", "abc", 1),
    15: ("\0hidden", "Odd", 1, 1),
}

KEPT = {  # in legacy_books, and why
    3: "rating_out_of_range",
    4: "title_missing",
    5: "title_missing author_missing",
    6: "rating_out_of_range title_too_long author_too_long",
    8: "no_owner",
    9: "no_owner rating_out_of_range author_missing",
}
LOOSELY_KEPT = {
    12: "no_owner",
    13: "rating_out_of_range",
    14: "rating_out_of_range",
    15: "title_missing",
}


def make_tables(database: Database) -> None:
    database.run(*TABLES["sqlite" if database.is_sqlite else "postgresql"])


def fill(database: Database) -> None:
    hashed = SCRYPT if database.is_sqlite else PBKDF2
    database.insert("users", *(_user(key, email, hashed) for key, email in EMAILS.items()))
    names = ("title", "author", "rating", "user_id")
    database.insert(
        "books",
        *(
            {"id": key, **dict(zip(names, values, strict=True))}
            for key, values in books(database).items()
        ),
    )
    if not database.is_sqlite:
        for table in ("users", "books"):
            database.run(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")


def _user(key: int, email: str, hashed: str) -> dict[str, Any]:
    joined = f"2024-03-0{key} 23:30:00.123456"
    return {"id": key, "email": email, "password_hashed": hashed, "registered_on": joined}


def books(database: Database) -> dict[int, tuple[Any, ...]]:
    return {**BOOKS, **(LOOSE_BOOKS if database.is_sqlite else {})}


def kept(database: Database) -> dict[int, str]:
    return {**KEPT, **(LOOSELY_KEPT if database.is_sqlite else {})}
