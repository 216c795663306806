"""What is unusual about the rows of a Flask application's database, counted for the log.

Nothing here is in the way of taking it over, and no row is named: docs/from-flask.md says what
becomes of each. The migration that adds the rules of books counts what it changes by itself.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

# The collation "C" and SQLite's lower() know ASCII letters only: by the rules of Turkish, say,
# I and i are different letters, and no twins would be found.
_LOWER = {"postgresql": 'lower(email COLLATE "C")', "sqlite": "lower(email)"}
# Characters that show nothing: the white space of Unicode, and what is no white space to it.
_BLANK = "\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\xad\u1680\u180e\u3000\u3164\u2800\ufeff" + "".join(
    map(chr, (*range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060))
)
_USERS = {
    "accounts have an address with letters beyond ASCII, which is kept as it is": (
        "{bytes} <> length(email)"
    ),
    "accounts have an address without @": "email NOT LIKE '%@%'",
    "accounts have a password hash of an unknown kind, so nobody can sign in to them": (
        "password_hashed NOT LIKE 'scrypt:%' AND password_hashed NOT LIKE 'pbkdf2:%'"
        " AND password_hashed NOT LIKE '$argon2%'"
    ),
}
_BOOKS = {
    "books have a title or an author that shows nothing, which is kept as it is": (
        "(title <> '' AND trim(title, :blank) = '') OR (author <> '' AND trim(author, :blank) = '')"
    ),
}
_BYTES = {"postgresql": "octet_length(email)", "sqlite": "length(CAST(email AS BLOB))"}


def count_oddities(connection: Connection) -> Iterator[str]:
    """One line for each kind of odd row that there is."""
    dialect = connection.dialect.name
    twins = f"SELECT count(*) AS of_one FROM users GROUP BY {_LOWER[dialect]} HAVING count(*) > 1"
    addresses, accounts = connection.execute(
        text(f"SELECT count(*), coalesce(sum(of_one), 0) FROM ({twins}) AS twins")
    ).one()
    if addresses:
        yield (
            f"{accounts} accounts are twins: they have {addresses} addresses between them that"
            " differ in capital letters only"
        )
    for table, oddities in (("users", _USERS), ("books", _BOOKS)):
        for oddity, condition in oddities.items():
            condition = condition.format(bytes=_BYTES[dialect])
            query = text(f"SELECT count(*) FROM {table} WHERE {condition}")
            values = {"blank": _BLANK} if ":blank" in condition else {}
            if count := connection.scalar(query, values):
                yield f"{count} {oddity}"
