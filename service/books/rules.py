"""The rules of somebody's books: another person's is the same as none.

Every change gets the next number of its owner's list, which is the book's version from then on:
see `service.models`. Where the caller names `versions`, a book of another one is left alone.
"""

from collections.abc import Collection, Mapping
from time import monotonic
from typing import NamedTuple, NoReturn

import msgspec

from service.books import queries
from service.books.forms import BookInput
from service.books.queries import BookRow
from service.db.statements import Connection
from service.exceptions import (
    AccountDeletedError,
    ChangedMeanwhileError,
    ConflictError,
    NotFoundError,
)

MAX_BOOKS = 100_000  # of one person; the largest libraries of people have a tenth of it
COUNTED_EVERY = 1.0  # seconds; rows that came past this module are seen after it
_MAX_ROOMS = 10_000


class BookNotFoundError(NotFoundError):
    """This person has no such book."""

    code = "BOOK_NOT_FOUND"
    public_description = "This person has no such book."

    def __init__(self) -> None:
        super().__init__("There is no such book on your list. It may have been deleted.")


class BookChangedError(ChangedMeanwhileError):
    """The book is not of the version that the caller has seen."""

    code = "BOOK_CHANGED"
    public_description = "The book is not of the version that the caller has seen."

    def __init__(self) -> None:
        super().__init__("This book was changed meanwhile, so nothing was done to it.")


class TooManyBooksError(ConflictError):
    """There are as many books on this list as anybody may have."""

    code = "TOO_MANY_BOOKS"
    public_description = "There are as many books on this list as anybody may have."

    def __init__(self) -> None:
        super().__init__(
            f"There are {MAX_BOOKS:,} books on your list, which is the most that it can hold."
            " Delete some of them first."
        )


class _Room(NamedTuple):
    """That a list has room for more, as it was counted at a time."""

    counted_at: float
    last_version: int  # up to this one not even a book for each change can fill the list


_rooms: dict[int, _Room] = {}  # by owner


async def get_book(connection: Connection, owner: int, book_id: int) -> BookRow:
    """One book of this owner. Raises BookNotFoundError."""
    book = await queries.get_book(connection, owner, book_id)
    if book is None:
        raise BookNotFoundError
    return book


async def add_book(connection: Connection, owner: int, book: BookInput) -> BookRow:
    """Put a book on somebody's list, in a transaction. Raises TooManyBooksError."""
    if (added := await add_book_at_once(connection, owner, book)) is not None:
        return added
    version = await _next_version(connection, owner)
    await _require_room(connection, owner, version)
    return await queries.add_book(connection, owner, msgspec.structs.asdict(book), version)


async def add_book_at_once(connection: Connection, owner: int, book: BookInput) -> BookRow | None:
    """Put a book on somebody's list in one round trip, on a connection without a transaction.

    None where that is not possible, and nothing is done: on SQLite, and where the list may be full.
    `add_book` then does it or says why not.
    """
    room = _known_room(owner)
    if room is None or connection.dialect != "postgresql":
        return None
    values = msgspec.structs.asdict(book)
    return await queries.add_book_at_once(connection, owner, values, room.last_version)


async def edit_book(
    connection: Connection,
    owner: int,
    book_id: int,
    values: Mapping[str, object],
    versions: Collection[int] | None = None,
) -> BookRow:
    """Give some or all fields new values. Raises BookNotFoundError and BookChangedError."""
    version = await _next_version(connection, owner)
    book = await queries.edit_book(connection, owner, book_id, values, version, versions)
    if book is None:
        await _refuse(connection, owner, book_id)
    return book


async def delete_book(
    connection: Connection, owner: int, book_id: int, versions: Collection[int] | None = None
) -> str:
    """Take a book off the list; returns its title.

    Raises BookNotFoundError and BookChangedError.
    """
    await _next_version(connection, owner)
    title = await queries.delete_book(connection, owner, book_id, versions)
    if title is None:
        await _refuse(connection, owner, book_id)
    return title


async def _next_version(connection: Connection, owner: int) -> int:
    version = await queries.next_version(connection, owner)
    if version is None:  # deleted since the request was authenticated
        raise AccountDeletedError
    return version


async def _require_room(connection: Connection, owner: int, version: int) -> None:
    """Counting 100,000 books takes longer than adding one, so it is done once in COUNTED_EVERY.

    In between, the number of changes since then tells how many books there are at most. Whoever
    has the version has the list to themselves until the transaction ends, so that what is counted
    stays true.
    """
    room = _known_room(owner)
    if room and version <= room.last_version:
        return
    now = monotonic()
    count = await queries.count_books(connection, owner, MAX_BOOKS)
    if count >= MAX_BOOKS:
        raise TooManyBooksError
    if len(_rooms) >= _MAX_ROOMS:
        _rooms.clear()
    _rooms[owner] = _Room(now, version + MAX_BOOKS - count - 1)


def forget_room(owner: int) -> None:
    """Count again before the next book: changes that were counted with are undone."""
    _rooms.pop(owner, None)


def _known_room(owner: int) -> _Room | None:
    room = _rooms.get(owner)
    return room if room and monotonic() - room.counted_at < COUNTED_EVERY else None


async def _refuse(connection: Connection, owner: int, book_id: int) -> NoReturn:
    await get_book(connection, owner, book_id)
    raise BookChangedError
