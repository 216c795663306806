"""Counts unusual rows in a database of the Flask application, for the log.

They do not prevent the takeover; docs/from-flask.md explains the treatment of each kind. The lines
identify no row. The migration books_repair logs the number of books that it changes by itself.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

# The collation "C" and SQLite's lower() change ASCII letters only. By the rules of Turkish, for
# example, the lower case of I is not i, and the query would miss twins.
_LOWER = {"postgresql": 'lower(email COLLATE "C")', "sqlite": "lower(email)"}
# Characters that show nothing: Unicode's white space, and others that look the same.
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
    """Yield one line for each kind of unusual row that exists."""
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
