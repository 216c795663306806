"""The rules of somebody's books: another person's is the same as none."""

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.books import queries
from service.books.forms import BookInput
from service.books.queries import BookRow
from service.exceptions import NotFoundError
from service.models import Book


class BookNotFoundError(NotFoundError):
    """This person has no such book."""

    code = "BOOK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such book on your list. It may have been deleted.")


async def get_book(connection: AsyncConnection, owner: int, book_id: int) -> BookRow:
    """One book of this owner. Raises BookNotFoundError."""
    book = await queries.get_book(connection, owner, book_id)
    if book is None:
        raise BookNotFoundError
    return book


async def add_book(session: AsyncSession, owner: int, book: BookInput) -> Book:
    """Put a book on somebody's list."""
    added = Book(user_id=owner, title=book.title, author=book.author, rating=book.rating)
    queries.add_book(session, added)
    await session.flush()
    return added


async def edit_book(session: AsyncSession, owner: int, book_id: int, book: BookInput) -> None:
    """Give a book new values. Raises BookNotFoundError."""
    if not await queries.replace_book(session, owner, book_id, msgspec.structs.asdict(book)):
        raise BookNotFoundError


async def delete_book(session: AsyncSession, owner: int, book_id: int) -> str:
    """Take a book off the list; returns its title. Raises BookNotFoundError."""
    title = await queries.delete_book(session, owner, book_id)
    if title is None:
        raise BookNotFoundError
    return title
