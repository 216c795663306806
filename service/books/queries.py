"""Statements about books; each names the owner, so that nobody reaches another's."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.models import Book
from service.statements import Read


class BookRow(NamedTuple):
    """A book as pages show it."""

    id: int
    title: str
    author: str
    rating: int | None


_own = select(Book.id, Book.title, Book.author, Book.rating).where(
    Book.user_id == bindparam("owner")
)
_newest_first = _own.order_by(Book.id.desc()).limit(bindparam("count"))
_ONE = Read(_own.where(Book.id == bindparam("book_id")), BookRow)
_LIST = Read(_newest_first, BookRow)
_LIST_AFTER = Read(_newest_first.where(Book.id < bindparam("place")), BookRow)
_LIST_BEFORE = Read(
    _own.where(Book.id > bindparam("place")).order_by(Book.id).limit(bindparam("count")), BookRow
)


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
        rows = await _LIST_BEFORE.all(connection, owner=owner, place=before, count=count)
        return Page(rows[:size][::-1], newer=len(rows) > size, older=True)
    if after is not None:
        rows = await _LIST_AFTER.all(connection, owner=owner, place=after, count=count)
    else:
        rows = await _LIST.all(connection, owner=owner, count=count)
    return Page(rows[:size], newer=after is not None, older=len(rows) > size)


async def get_book(connection: AsyncConnection, owner: int, book_id: int) -> BookRow | None:
    """One book of this owner, or None."""
    return await _ONE.first(connection, owner=owner, book_id=book_id)


def add_book(session: AsyncSession, book: Book) -> None:
    """Add a book."""
    session.add(book)


async def replace_book(
    session: AsyncSession, owner: int, book_id: int, values: dict[str, object]
) -> bool:
    """Give a book of this owner new values; False where there is none."""
    result = await session.execute(
        update(Book)
        .where(Book.id == book_id, Book.user_id == owner)
        .values(values)
        .returning(Book.id)
    )
    return result.first() is not None


async def delete_book(session: AsyncSession, owner: int, book_id: int) -> str | None:
    """Delete a book of this owner; returns its title, or None where there is none."""
    result = await session.execute(
        delete(Book).where(Book.id == book_id, Book.user_id == owner).returning(Book.title)
    )
    return result.scalar()
