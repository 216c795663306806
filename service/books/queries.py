"""Statements about books. Each has the owner in its WHERE, so that nobody reaches others' books."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Executable,
    Integer,
    any_,
    bindparam,
    delete,
    func,
    insert,
    select,
    true,
    tuple_,
    update,
)

from service.db.statements import Connection, Statement, scalar
from service.models import DatabaseNow, books_table, users_table

Order = Literal["-created_at", "created_at", "title", "-title"]
Place = tuple[int] | tuple[str, int]  # the values of a book in the columns of an order


class BookRow(Struct, frozen=True):
    """A book as it is stored."""

    id: int
    title: str
    author: str
    rating: int | None
    created_at: datetime
    updated_at: datetime
    version: int


_COLUMNS = (
    books_table.c.id,
    books_table.c.title,
    books_table.c.author,
    books_table.c.rating,
    books_table.c.created_at,
    books_table.c.updated_at,
    books_table.c.version,
)
_owner = bindparam("owner", type_=Integer)
_ONE = Statement(
    select(*_COLUMNS).where(
        books_table.c.user_id == _owner, books_table.c.id == bindparam("book_id")
    ),
    BookRow,
)
_counted = (
    select(func.count().label("count"))
    .where(books_table.c.user_id == bindparam("owner"))
    .subquery("counted")
)


class _List:
    """The statements of one order: from the start of the list, and after a place."""

    def __init__(self, *columns: Any, descending: bool) -> None:
        self.names = tuple(column.key for column in columns)
        places = [
            bindparam(f"place_{name}", type_=c.type)
            for name, c in zip(self.names, columns, strict=True)
        ]
        # The owner has two bounds instead of an equals sign. With `user_id = …`, PostgreSQL drops
        # the column from ORDER BY, because it is constant. Then the primary key has the wanted
        # order, too: for an owner of many books the planner would scan it, and read the books of
        # all people. With bounds the owner stays in the order, which only the list's index has.
        order = [
            column.desc() if descending else column.asc()
            for column in (books_table.c.user_id, *columns)
        ]
        here, there = tuple_(books_table.c.user_id, *columns), tuple_(_owner, *places)
        at_least, at_most = books_table.c.user_id >= _owner, books_table.c.user_id <= _owner
        part: Any = select(*_COLUMNS).order_by(*order).limit(bindparam("count"))
        start = part.where(at_least, at_most)
        after = (
            part.where(here < there, at_least) if descending else part.where(here > there, at_most)
        )
        self.first, self.after = Statement(start, BookRow), Statement(after, BookRow)
        self.counted_first = self._counted(start, descending=descending)
        self.counted_after = self._counted(after, descending=descending)

    def _counted(self, part: Any, *, descending: bool) -> Statement[tuple[int, BookRow | None]]:
        """Return the statement with the number of all books before each book.

        If the part is empty, it returns one row without a book.
        """
        books = part.subquery("part")
        order = [books.c[name].desc() if descending else books.c[name] for name in self.names]
        both = select(_counted.c.count, *books.c).select_from(_counted.outerjoin(books, true()))
        return Statement(both.order_by(*order), _count_and_book)

    async def rows(
        self, connection: Connection, owner: int, place: Place | None, count: int
    ) -> list[BookRow]:
        statement = self.first if place is None else self.after
        return await statement.all(connection, owner=owner, count=count, **self._values(place))

    async def count_and_rows(
        self, connection: Connection, owner: int, place: Place | None, count: int
    ) -> tuple[int, list[BookRow]]:
        statement = self.counted_first if place is None else self.counted_after
        found = await statement.all(connection, owner=owner, count=count, **self._values(place))
        return found[0][0], [book for _, book in found if book is not None]

    def _values(self, place: Place | None) -> dict[str, object]:
        names = [f"place_{name}" for name in self.names]
        return {} if place is None else dict(zip(names, place, strict=True))


def _count_and_book(count: int, *columns: Any) -> tuple[int, BookRow | None]:
    return count, None if columns[0] is None else BookRow(*columns)


# Ids grow in the order of adding, so they stand for the time. Each order has its own index.
_LISTS: Mapping[Order, _List] = {
    "-created_at": _List(books_table.c.id, descending=True),
    "created_at": _List(books_table.c.id, descending=False),
    "title": _List(books_table.c.title, books_table.c.id, descending=False),
    "-title": _List(books_table.c.title, books_table.c.id, descending=True),
}


class Page(NamedTuple):
    """A page of a list, newest first. `newer` and `older` say whether there are other books."""

    books: Sequence[BookRow]
    newer: bool
    older: bool


async def list_books(
    connection: Connection,
    owner: int,
    *,
    size: int,
    after: int | None = None,
    before: int | None = None,
) -> Page:
    """Return the newest `size` books, or the next older ones `after` an id, or newer ones `before`.

    The book with that id may be deleted. The one statement reads a row more than the page has, to
    find out whether there are others.
    """
    count = size + 1
    if before is not None:
        rows = await _LISTS["created_at"].rows(connection, owner, (before,), count)
        return Page(rows[:size][::-1], newer=len(rows) > size, older=True)
    place = None if after is None else (after,)
    rows = await _LISTS["-created_at"].rows(connection, owner, place, count)
    return Page(rows[:size], newer=after is not None, older=len(rows) > size)


async def list_books_in_order(
    connection: Connection, owner: int, order: Order, place: Place | None, count: int
) -> list[BookRow]:
    """Return the first `count` books in an order, or the first `count` after a place in it."""
    return await _LISTS[order].rows(connection, owner, place, count)


async def count_and_list_books(
    connection: Connection, owner: int, order: Order, place: Place | None, count: int
) -> tuple[int, list[BookRow]]:
    """Return the number of all books, and the books of `list_books_in_order`.

    The time grows with the number of books.
    """
    return await _LISTS[order].count_and_rows(connection, owner, place, count)


def place_of(book: BookRow, order: Order) -> Place:
    """Return the place of a book in an order."""
    return (book.title, book.id) if order in ("title", "-title") else (book.id,)


async def get_book(connection: Connection, owner: int, book_id: int) -> BookRow | None:
    """Return one book of this owner, or None."""
    return await _ONE.first(connection, owner=owner, book_id=book_id)


_NEXT_VERSION = Statement(
    update(users_table)
    .where(users_table.c.id == bindparam("owner"))
    .values(books_revision=users_table.c.books_revision + 1)
    .returning(users_table.c.books_revision),
    scalar,
)
_found = (
    select(books_table.c.id)
    .where(books_table.c.user_id == bindparam("owner"))
    .limit(bindparam("at_most"))
    .subquery("found")
)
_COUNT: Statement[int] = Statement(select(func.count()).select_from(_found), scalar)
_ADD = Statement(
    insert(books_table)
    .values(
        title=bindparam("title"),
        author=bindparam("author"),
        rating=bindparam("rating"),
        user_id=bindparam("owner"),
        created_at=DatabaseNow(),
        updated_at=DatabaseNow(),
        version=bindparam("version"),
    )
    .returning(*_COLUMNS),
    BookRow,
)
_title = bindparam("title", type_=books_table.c.title.type)
_author = bindparam("author", type_=books_table.c.author.type)
_rating = bindparam("rating", type_=books_table.c.rating.type)
# SQLite has no UPDATE in WITH. The update runs first and locks the row of the owner.
_revision = (
    update(users_table)
    .where(
        users_table.c.id == bindparam("owner"),
        users_table.c.books_revision < bindparam("last_version"),
    )
    .values(books_revision=users_table.c.books_revision + 1)
    .returning(users_table.c.books_revision, users_table.c.id)
    .cte("revision")
)
_ADD_AT_ONCE = Statement(
    insert(books_table)
    .from_select(
        ["title", "author", "rating", "user_id", "created_at", "updated_at", "version"],
        select(
            _title,
            _author,
            _rating,
            _revision.c.id,
            DatabaseNow(),
            DatabaseNow(),
            _revision.c.books_revision,
        ),
    )
    .returning(*_COLUMNS),
    BookRow,
)


def _is_of_versions(dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        return books_table.c.version == any_(bindparam("versions", type_=ARRAY(Integer)))
    return books_table.c.version.in_(bindparam("versions", expanding=True))


@cache
def _edit(fields: frozenset[str], *, of_versions: bool) -> Statement[BookRow]:
    """Return the statement that gives a book new values in these fields."""

    def build(dialect: str) -> Executable:
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in fields}
        edit = update(books_table).where(
            books_table.c.id == bindparam("book_id"), books_table.c.user_id == bindparam("owner")
        )
        if of_versions:
            edit = edit.where(_is_of_versions(dialect))
        return edit.values(**values, version=bindparam("new_version")).returning(*_COLUMNS)

    return Statement(build, BookRow)


@cache
def _delete(*, of_versions: bool) -> Statement[str]:
    def build(dialect: str) -> Executable:
        statement = delete(books_table).where(
            books_table.c.id == bindparam("book_id"), books_table.c.user_id == bindparam("owner")
        )
        if of_versions:
            statement = statement.where(_is_of_versions(dialect))
        return statement.returning(books_table.c.title)

    return Statement(build, scalar)


async def next_version(connection: Connection, owner: int) -> int | None:
    """Return the number of the owner's next change, or None if the account is gone.

    Locks the row of the owner until the transaction ends. So the owner's other changes wait, and
    their numbers have the order of their commits.
    """
    return await _NEXT_VERSION.first(connection, owner=owner)


async def count_books(connection: Connection, owner: int, at_most: int) -> int:
    """Return the number of this owner's books. Stops counting at `at_most`."""
    return await _COUNT.one(connection, owner=owner, at_most=at_most)


async def add_book(
    connection: Connection, owner: int, values: Mapping[str, object], version: int
) -> BookRow:
    """Add a book."""
    return await _ADD.one(connection, owner=owner, version=version, **values)


async def add_book_at_once(
    connection: Connection, owner: int, values: Mapping[str, object], last_version: int
) -> BookRow | None:
    """Add a book in one statement, which needs no transaction around it. PostgreSQL only.

    Returns None and adds nothing if the account is gone, or if the number of this change would be
    above `last_version`.
    """
    return await _ADD_AT_ONCE.first(connection, owner=owner, last_version=last_version, **values)


async def edit_book(
    connection: Connection,
    owner: int,
    book_id: int,
    values: Mapping[str, object],
    version: int,
    versions: Collection[int] | None,
) -> BookRow | None:
    """Give a book of this owner new values.

    Returns None if there is no such book, or if its version is not one of `versions`. With None
    every version will do.
    """
    given: dict[str, object] = {f"new_{name}": value for name, value in values.items()}
    if versions is not None:
        given["versions"] = list(versions)
    statement = _edit(frozenset(values), of_versions=versions is not None)
    return await statement.first(
        connection, owner=owner, book_id=book_id, new_version=version, **given
    )


async def delete_book(
    connection: Connection, owner: int, book_id: int, versions: Collection[int] | None
) -> str | None:
    """Delete a book of this owner and return its title.

    Returns None if there is no such book, or if its version is not one of `versions`. With None
    every version will do.
    """
    given = {} if versions is None else {"versions": list(versions)}
    statement = _delete(of_versions=versions is not None)
    return await statement.first(connection, owner=owner, book_id=book_id, **given)
