"""The operations on books."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint, Response

from service.api import cursors
from service.api.bodies import JSON, MERGE_PATCH, answer, bare
from service.api.conditions import (
    NoETagError,
    etag_of_book,
    etag_of_list,
    not_modified,
    versions_to_change,
)
from service.api.declarations import Nothing, ReadCall, Tag, WriteCall
from service.api.operations import read_operation, write_operation
from service.books import queries, rules
from service.books.exceptions import BookChangedError, BookNotFoundError, TooManyBooksError
from service.books.forms import Author, BookInput, Rating, Title
from service.books.queries import BookRow, Order, Place
from service.validation import Shape, Time

ADDRESS = "/api/v1/books"
PAGE_SIZE = 25
MAX_PAGE_SIZE = 100
LIST_SCOPE = "books:read"
_CHANGING = (BookNotFoundError, BookChangedError, NoETagError)

blueprint = Blueprint("api_books", __name__, url_prefix=ADDRESS)
TAG = Tag("books", "Books, for programs.")


class BookOut(msgspec.Struct, frozen=True):
    """A book as the API shows it."""

    public_name: ClassVar = "Book"
    public_description: ClassVar = "A book as it is shown."

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

    @classmethod
    def of(cls, row: BookRow) -> "BookOut":
        """Return the book of a row."""
        return cls(
            row.id,
            row.title,
            row.author,
            row.rating,
            row.created_at,
            row.updated_at,
            row.version,
        )


class BookList(msgspec.Struct, frozen=True):
    """A part of a list. `next` is the value of `after` that asks for the next part."""

    public_name: ClassVar = "BookList"
    public_description: ClassVar = (
        "A part of a list; `next` is what to send as `after` for the part after it."
    )

    items: list[BookOut]
    next: str | None
    count: int | UnsetType = UNSET

    example: ClassVar = {"items": [BookOut.example], "next": "WyItY3JlYXRlZF9hdCIsNDJd"}


class ListQuery(Shape, frozen=True, kw_only=True):
    """The query of `list_books`: the part of the list and its order."""

    public_name: ClassVar = "ListQuery"
    public_description: ClassVar = "Which part of the list, and in which order."

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE
    after: Annotated[str, Meta(min_length=1, max_length=4096)] | UnsetType = UNSET
    sort: Order = "-created_at"
    count: bool = False

    messages: ClassVar = {
        "limit": f"Ask for 1 to {MAX_PAGE_SIZE} books.",
        "after": "Use what `next` was in an answer, with the same `sort`.",
        "sort": f"Use one of {', '.join(cursors.ORDERS)}.",
        "count": "Use true or false.",
    }


class BookPatch(Shape, frozen=True, kw_only=True):
    """A merge patch (RFC 7396) of a book. Absent fields stay, and null removes a rating."""

    public_name: ClassVar = "BookPatch"
    public_description: ClassVar = (
        "A merge patch (RFC 7396): what is not named stays, and null takes a rating away."
    )

    title: Title | UnsetType = UNSET
    author: Author | UnsetType = UNSET
    rating: Rating | UnsetType | None = UNSET

    messages: ClassVar = BookInput.messages
    example: ClassVar = {"rating": 4}

    def values(self) -> dict[str, Any]:
        """Return the fields that are present."""
        found = msgspec.structs.asdict(self)
        return {name: value for name, value in found.items() if value is not UNSET}


@blueprint.get("")
@read_operation(
    name="list_books",
    tag=TAG,
    summary="List your books",
    description=(
        "Part of the list, the newest first unless `sort` says otherwise.\n\n"
        "Goes on where it stopped, however the list changes meanwhile. `count` costs the more,"
        " the more\nbooks there are. An unchanged list is 304 without being read."
    ),
    scope=LIST_SCOPE,
    query=ListQuery,
    answers={200: BookList},
    conditional=True,
    reason="two statements, at most 101 rows",
)
async def list_books(call: ReadCall[ListQuery]) -> Response:
    """Answer with a part of the list, or with 304 before reading the books."""
    query = call.query
    place = place_of(query)
    etag = etag_of_list(call.owner, call.caller.user.books_revision)
    if unchanged := not_modified(etag):
        return unchanged
    wanted = (call.connection, call.owner, query.sort, place, query.limit + 1)
    total: int | UnsetType = UNSET
    if query.count:
        total, rows = await queries.count_and_list_books(*wanted)
    else:
        rows = await queries.list_books_in_order(*wanted)
    found, link = part_of_list(query, rows, total)
    return answer(found, headers={"ETag": etag, **link})


def place_of(query: ListQuery) -> Place | None:
    """Return the place in `after`, or None for the start of the list. Raises InvalidInputError."""
    return None if query.after is UNSET else cursors.read_cursor(query.after, query.sort)


def part_of_list(
    query: ListQuery, rows: list[BookRow], total: int | UnsetType = UNSET
) -> tuple[BookList, dict[str, str]]:
    """Return a part of the list and its Link header.

    `rows` has one row more than the part, if there are more books.
    """
    shown = rows[: query.limit]
    books = [BookOut.of(row) for row in shown]
    if len(rows) == len(shown):
        return BookList(books, None, total), {}
    after = cursors.cursor(query.sort, queries.place_of(shown[-1], query.sort))
    return BookList(books, after, total), {"Link": _link(query, after)}


async def _add_book_at_once(call: WriteCall[BookInput]) -> Response | None:
    book = await rules.add_book_at_once(call.connection, call.owner, call.body)
    return None if book is None else _added(book)


@blueprint.post("")
@write_operation(
    name="add_book",
    tag=TAG,
    summary="Add a book",
    description="Put a book on your list.",
    scope="books:write",
    body=BookInput,
    answers={201: BookOut},
    repeatable=True,
    at_once=_add_book_at_once,
    errors=(TooManyBooksError,),
)
async def add_book(call: WriteCall[BookInput]) -> Response:
    """Add a book to the list."""
    book = await rules.add_book(call.connection, call.owner, call.body)
    return _added(book)


@blueprint.get("/<id:book_id>")
@read_operation(
    name="get_book",
    tag=TAG,
    summary="Get a book",
    description="One of your books.",
    scope="books:read",
    query=Nothing,
    answers={200: BookOut},
    conditional=True,
    reason="two statements",
    errors=(BookNotFoundError,),
)
async def get_book(call: ReadCall[Nothing], book_id: int) -> Response:
    """Answer with one book."""
    book = await rules.get_book(call.connection, call.owner, book_id)
    return not_modified(etag_of_book(book)) or _book(book)


@blueprint.put("/<id:book_id>")
@write_operation(
    name="replace_book",
    tag=TAG,
    summary="Replace a book",
    description="Give a book new values; a rating that is not named is none.",
    scope="books:write",
    body=BookInput,
    answers={200: BookOut},
    conditional=True,
    errors=_CHANGING,
)
async def replace_book(call: WriteCall[BookInput], book_id: int) -> Response:
    """Replace all values of a book."""
    values = msgspec.structs.asdict(call.body)
    with versions_to_change(book_id) as versions:
        return _book(await rules.edit_book(call.connection, call.owner, book_id, values, versions))


@blueprint.patch("/<id:book_id>")
@write_operation(
    name="change_book",
    tag=TAG,
    summary="Change a book",
    description="Give a book some new values, as JSON Merge Patch has it.",
    scope="books:write",
    body=BookPatch,
    answers={200: BookOut},
    body_types=(MERGE_PATCH, JSON),
    conditional=True,
    errors=_CHANGING,
)
async def change_book(call: WriteCall[BookPatch], book_id: int) -> Response:
    """Replace some values of a book."""
    values = call.body.values()
    with versions_to_change(book_id) as versions:
        return _book(await rules.edit_book(call.connection, call.owner, book_id, values, versions))


@blueprint.delete("/<id:book_id>")
@write_operation(
    name="delete_book",
    tag=TAG,
    summary="Delete a book",
    description="Take a book off your list.",
    scope="books:write",
    body=Nothing,
    answers={204: None},
    conditional=True,
    errors=_CHANGING,
)
async def delete_book(call: WriteCall[Nothing], book_id: int) -> Response:
    """Delete a book from the list."""
    with versions_to_change(book_id) as versions:
        await rules.delete_book(call.connection, call.owner, book_id, versions)
    return bare(204)


def _added(book: BookRow) -> Response:
    return _book(book, 201, {"Location": f"{ADDRESS}/{book.id}"})


def _book(book: BookRow, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    # Proxies that obey `no-transform` do not change the ETag. `service.web.etags` accepts the
    # changes that other proxies make.
    always = {"ETag": etag_of_book(book), "Cache-Control": "no-store, no-transform"}
    return answer(BookOut.of(book), status, always | (headers or {}))


def _link(query: ListQuery, after: str) -> str:
    # No value here has a character that must be percent-encoded.
    text = f"limit={query.limit}&sort={query.sort}&after={after}"
    if query.count:
        text += "&count=true"
    return f'<{ADDRESS}?{text}>; rel="next"'
