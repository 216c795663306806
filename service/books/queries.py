"""Statements about books; each names the owner, so that nobody reaches another's."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from msgspec import Struct
from sqlalchemy import bindparam, delete, func, insert, select, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.db.reads import Read, Readable
from service.models import Book, DatabaseNow, User
from service.shapes import Time

Order = Literal["-created_at", "created_at", "title", "-title"]
Place = tuple[int] | tuple[str, int]  # what stands in the columns that the list is sorted by


class BookRow(Struct, frozen=True):
    """A book as it is shown."""

    id: int
    title: str
    author: str
    rating: int | None
    created_at: Time
    updated_at: Time
    version: int

    example: ClassVar = {
        "id": 42,
        "title": "Middlemarch",
        "author": "George Eliot",
        "rating": 5,
        "created_at": "2026-11-22T18:30:00.000000Z",
        "updated_at": "2026-11-22T18:30:00.000000Z",
        "version": 7,
    }


_COLUMNS = (
    Book.id,
    Book.title,
    Book.author,
    Book.rating,
    Book.created_at,
    Book.updated_at,
    Book.version,
)
_own = select(*_COLUMNS).where(Book.user_id == bindparam("owner"))
_ONE = Read(_own.where(Book.id == bindparam("book_id")), BookRow)
_counted = (
    select(func.count().label("count"))
    .where(Book.user_id == bindparam("owner"))
    .subquery("counted")
)


class _List:
    """The statements of one order: from its beginning, and on from a place."""

    def __init__(self, *columns: Any, descending: bool) -> None:
        self.names = tuple(column.key for column in columns)
        places = [
            bindparam(f"place_{name}", type_=c.type)
            for name, c in zip(self.names, columns, strict=True)
        ]
        here: Any = tuple_(*columns) if len(columns) > 1 else columns[0]
        there: Any = tuple_(*places) if len(places) > 1 else places[0]
        order = [column.desc() if descending else column.asc() for column in columns]
        start: Any = _own.order_by(*order).limit(bindparam("count"))
        after = start.where(here < there if descending else here > there)
        self.first, self.after = Read(start, BookRow), Read(after, BookRow)
        self.counted_first = self._counted(start, descending=descending)
        self.counted_after = self._counted(after, descending=descending)

    def _counted(self, part: Any, *, descending: bool) -> Read[tuple[int, BookRow | None]]:
        """The same with the number of all books before each; one row without a book for none."""
        books = part.subquery("part")
        order = [books.c[name].desc() if descending else books.c[name] for name in self.names]
        both = select(_counted.c.count, *books.c).select_from(_counted.outerjoin(books, true()))
        return Read(both.order_by(*order), _count_and_book)

    async def rows(
        self, connection: Readable, owner: int, place: Place | None, count: int
    ) -> list[BookRow]:
        statement = self.first if place is None else self.after
        return await statement.all(connection, owner=owner, count=count, **self._values(place))

    async def count_and_rows(
        self, connection: AsyncConnection, owner: int, place: Place | None, count: int
    ) -> tuple[int, list[BookRow]]:
        statement = self.counted_first if place is None else self.counted_after
        found = await statement.all(connection, owner=owner, count=count, **self._values(place))
        return found[0][0], [book for _, book in found if book is not None]

    def _values(self, place: Place | None) -> dict[str, object]:
        names = [f"place_{name}" for name in self.names]
        return {} if place is None else dict(zip(names, place, strict=True))


def _count_and_book(count: int, *columns: Any) -> tuple[int, BookRow | None]:
    return count, None if columns[0] is None else BookRow(*columns)


# Ids are given in the order of adding. Each order has an index that serves it.
_LISTS: Mapping[Order, _List] = {
    "-created_at": _List(Book.id, descending=True),
    "created_at": _List(Book.id, descending=False),
    "title": _List(Book.title, Book.id, descending=False),
    "-title": _List(Book.title, Book.id, descending=True),
}


class Page(NamedTuple):
    """Part of a list: the books, newest first, and whether there are newer and older ones."""

    books: Sequence[BookRow]
    newer: bool
    older: bool


async def list_books(
    connection: AsyncConnection,
    owner: int,
    *,
    size: int,
    after: int | None = None,
    before: int | None = None,
) -> Page:
    """The newest `size` books, or those next to a place: `after` it older, `before` it newer.

    A place is a book's id; the book itself need not be there any more. One statement, that
    reads one row more than it gives to know whether there are others.
    """
    count = size + 1
    if before is not None:
        rows = await _LISTS["created_at"].rows(connection, owner, (before,), count)
        return Page(rows[:size][::-1], newer=len(rows) > size, older=True)
    place = None if after is None else (after,)
    rows = await _LISTS["-created_at"].rows(connection, owner, place, count)
    return Page(rows[:size], newer=after is not None, older=len(rows) > size)


async def list_books_in_order(
    connection: Readable, owner: int, order: Order, place: Place | None, count: int
) -> list[BookRow]:
    """The first `count` books in an order, or those after a place in it."""
    return await _LISTS[order].rows(connection, owner, place, count)


async def count_and_list_books(
    connection: AsyncConnection, owner: int, order: Order, place: Place | None, count: int
) -> tuple[int, list[BookRow]]:
    """The same, and how many books there are in all: takes the longer, the more there are."""
    return await _LISTS[order].count_and_rows(connection, owner, place, count)


def place_of(book: BookRow, order: Order) -> Place:
    """Where a book stands in an order."""
    return (book.title, book.id) if order in ("title", "-title") else (book.id,)


async def get_book(connection: AsyncConnection, owner: int, book_id: int) -> BookRow | None:
    """One book of this owner, or None."""
    return await _ONE.first(connection, owner=owner, book_id=book_id)


async def next_version(session: AsyncSession, owner: int) -> int | None:
    """The number of the owner's next change; None where the account is gone.

    Until the transaction ends, the owner's other changes wait: the list has one order of changes.
    """
    return await session.scalar(
        update(User)
        .where(User.id == owner)
        .values(books_revision=User.books_revision + 1)
        .returning(User.books_revision)
    )


async def count_books(session: AsyncSession, owner: int, at_most: int) -> int:
    """How many books this owner has; what is above `at_most` is not counted."""
    found = select(Book.id).where(Book.user_id == owner).limit(at_most).subquery()
    return await session.scalar(select(func.count()).select_from(found)) or 0


async def add_book(
    session: AsyncSession, owner: int, values: Mapping[str, object], version: int
) -> BookRow:
    """Add a book."""
    now = DatabaseNow()
    row = {**values, "user_id": owner, "created_at": now, "updated_at": now, "version": version}
    result = await session.execute(insert(Book).values(row).returning(*_COLUMNS))
    return BookRow(*result.one())


async def edit_book(
    session: AsyncSession,
    owner: int,
    book_id: int,
    values: Mapping[str, object],
    version: int,
    versions: Collection[int] | None,
) -> BookRow | None:
    """Give a book of this owner new values; None where there is none of these versions."""
    statement = update(Book).where(Book.id == book_id, Book.user_id == owner)
    if versions is not None:
        statement = statement.where(Book.version.in_(versions))
    result = await session.execute(statement.values(**values, version=version).returning(*_COLUMNS))
    row = result.one_or_none()
    return None if row is None else BookRow(*row)


async def delete_book(
    session: AsyncSession, owner: int, book_id: int, versions: Collection[int] | None
) -> str | None:
    """Delete a book of this owner; returns its title, or None where there is none of these."""
    statement = delete(Book).where(Book.id == book_id, Book.user_id == owner)
    if versions is not None:
        statement = statement.where(Book.version.in_(versions))
    result = await session.execute(statement.returning(Book.title))
    return result.scalar()
