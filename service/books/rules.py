"""The rules of books. For every rule, a book of another owner does not exist.

The changes of a list are numbered. A changed book gets the number of its change as its version:
see `service.models`. If a caller gives `versions`, a book with another version is not changed.
"""

from collections.abc import Collection, Mapping
from time import monotonic
from typing import NamedTuple, NoReturn

import msgspec

from service.books import queries
from service.books.exceptions import BookChangedError, BookNotFoundError, TooManyBooksError
from service.books.forms import BookInput
from service.books.queries import BookRow
from service.db.statements import Connection
from service.exceptions import (
    AccountDeletedError,
)

MAX_BOOKS = 100_000  # of one owner; the largest private libraries have a tenth of that
COUNTED_EVERY = 1.0  # seconds; rows that bypass this module are noticed after this time
_MAX_ROOMS = 10_000  # owners; bounds the memory


class _Room(NamedTuple):
    """The room of a list, after a count of its books."""

    counted_at: float  # monotonic seconds
    last_version: int  # up to this change the list has room, even if every change adds a book


_rooms: dict[int, _Room] = {}  # by owner


async def get_book(connection: Connection, owner: int, book_id: int) -> BookRow:
    """Return one book of this owner. Raises BookNotFoundError."""
    book = await queries.get_book(connection, owner, book_id)
    if book is None:
        raise BookNotFoundError
    return book


async def add_book(connection: Connection, owner: int, book: BookInput) -> BookRow:
    """Add a book to a list, in a transaction. Raises TooManyBooksError and AccountDeletedError."""
    if (added := await add_book_at_once(connection, owner, book)) is not None:
        return added
    version = await _next_version(connection, owner)
    await _require_room(connection, owner, version)
    return await queries.add_book(connection, owner, msgspec.structs.asdict(book), version)


async def add_book_at_once(connection: Connection, owner: int, book: BookInput) -> BookRow | None:
    """Add a book to a list in one round trip, on a connection without a transaction.

    Returns None and adds nothing on SQLite, and if the list may be full. Then call `add_book`,
    which adds the book or refuses.
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
    """Give some or all fields of a book new values.

    Raises BookNotFoundError, BookChangedError and AccountDeletedError.
    """
    version = await _next_version(connection, owner)
    book = await queries.edit_book(connection, owner, book_id, values, version, versions)
    if book is None:
        await _refuse(connection, owner, book_id)
    return book


async def delete_book(
    connection: Connection, owner: int, book_id: int, versions: Collection[int] | None = None
) -> str:
    """Delete a book from a list. Return its title.

    Raises BookNotFoundError, BookChangedError and AccountDeletedError.
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
    """Raise TooManyBooksError if the list is full.

    Counting 100,000 books takes longer than adding one, so the books are counted once in
    COUNTED_EVERY. In between, the number of changes since the count bounds the number of books.
    `_next_version` has locked the list until the transaction ends, so the count stays right.
    """
    room = _known_room(owner)
    if room and version <= room.last_version:
        return
    now = monotonic()
    count = await queries.count_books(connection, owner, MAX_BOOKS)
    if count >= MAX_BOOKS:
        raise TooManyBooksError(MAX_BOOKS)
    if len(_rooms) >= _MAX_ROOMS:
        _rooms.clear()
    _rooms[owner] = _Room(now, version + MAX_BOOKS - count - 1)


def forget_room(owner: int) -> None:
    """Forget the count of a list, because counted changes are rolled back. The next add counts."""
    _rooms.pop(owner, None)


def _known_room(owner: int) -> _Room | None:
    room = _rooms.get(owner)
    return room if room and monotonic() - room.counted_at < COUNTED_EVERY else None


async def _refuse(connection: Connection, owner: int, book_id: int) -> NoReturn:
    await get_book(connection, owner, book_id)
    raise BookChangedError
