"""Versions on the wire: ETag, If-None-Match and If-Match."""

import re

from quart import Response, request
from werkzeug.http import parse_etags

from service.books.queries import BookRow

# A part of every ETag. To be raised when the same book is represented otherwise, because then its
# bytes change and its version does not.
REPRESENTATION = 1
_BOOK_ETAG = re.compile(rf"{REPRESENTATION}-(\d{{1,10}})-(\d{{1,10}})", re.ASCII)


def etag_of_book(book: BookRow) -> str:
    """The ETag of a book."""
    return f'"{REPRESENTATION}-{book.id}-{book.version}"'


def etag_of_list(revision: int) -> str:
    """The ETag of any part of somebody's list, in any order: it changes with every change."""
    return f'"{REPRESENTATION}-{revision}"'


def not_modified(etag: str) -> Response | None:
    """304 where the caller has this already."""
    known = request.headers.get("If-None-Match")
    if known is None or (known != etag and not parse_etags(known).contains_weak(etag.strip('"'))):
        return None
    response = Response(b"", 304, {"ETag": etag})
    del response.headers["Content-Type"]
    return response


def versions_to_change(book_id: int) -> set[int] | None:
    """The versions of a book that the caller wants to change; None for whatever is there.

    Empty where there is none: a condition for another book, or one that only nothing can meet.
    """
    if request.headers.get("If-None-Match", "").strip() == "*":
        return set()
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    found = map(_BOOK_ETAG.fullmatch, parse_etags(header).as_set())  # strong ones only
    return {int(match[2]) for match in found if match and int(match[1]) == book_id}
