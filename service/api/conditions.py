"""Versions on the wire: ETag, If-None-Match and If-Match."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from quart import Response, request
from werkzeug.exceptions import BadRequest

from service.api.bodies import bare
from service.books.queries import BookRow
from service.books.rules import BookChangedError
from service.exceptions import ChangedMeanwhileError
from service.web.etags import ADDED_BY_PROXIES, is_known, opaque_tags
from service.web.routing import MAX_ID

# A part of every ETag. To be raised when the same book is represented otherwise, because then its
# bytes change and its version does not.
REPRESENTATION = 1
_NUMBER = r"0|[1-9]\d{0,9}"
_BOOK_TAG = re.compile(rf"({_NUMBER})-({_NUMBER})-({_NUMBER}){ADDED_BY_PROXIES}", re.ASCII)


class NoETagError(ChangedMeanwhileError):
    """No tag in If-Match is an ETag of this book: nothing is said about its version."""

    code = "NO_ETAG"
    public_description = "No tag in If-Match is an ETag of this book."

    def __init__(self) -> None:
        super().__init__(
            "If-Match names no ETag of this book, so nothing was done to it. Send the ETag header"
            " that the book was answered with, as it stands there, with its quotes."
        )


def etag_of_book(book: BookRow) -> str:
    """The ETag of a book."""
    return f'"{REPRESENTATION}-{book.id}-{book.version}"'


def etag_of_list(owner: int, revision: int) -> str:
    """The ETag of any part of somebody's list, in any order: it changes with every change.

    All lists have one address, so it says whose it is; and it is no ETag of a book.
    """
    return f'"{REPRESENTATION}-of-{owner}-{revision}"'


def not_modified(etag: str) -> Response | None:
    """304 where the caller has this already."""
    return bare(304, {"ETag": etag}) if is_known(_header("If-None-Match"), etag) else None


@contextmanager
def versions_to_change(book_id: int) -> Iterator[set[int] | None]:
    """The versions of a book that the caller wants to change; None for any version.

    Empty for a condition that no version meets. A weak tag counts, although RFC 9110 (13.1.1)
    excludes it: our ETags are strong, so a weak one was made so by a proxy and names a version all
    the same. Raises BadRequest for a condition that would have to be ignored. Raises NoETagError
    in place of the block's BookChangedError where If-Match names no ETag of this book: the caller
    has seen no version of it, and reading it again would not help.
    """
    unless = _header("If-None-Match")
    if unless is not None and unless.strip() != "*":
        raise BadRequest("To change what you have seen, send its ETag as If-Match.")
    header = _header("If-Match")
    if unless is not None:
        yield set()
    elif header is None or header.strip() == "*":
        yield None
    else:
        found = _book_tags(header, book_id)
        try:
            yield {
                version
                for representation, version in found
                if representation == REPRESENTATION and version <= MAX_ID
            }
        except BookChangedError:
            if found:
                raise
            raise NoETagError from None


def _book_tags(header: str, book_id: int) -> list[tuple[int, int]]:
    """Representation and version of each tag of this book, whatever else the header names."""
    matches = map(_BOOK_TAG.fullmatch, opaque_tags(header))
    numbers = [tuple(map(int, match.groups())) for match in matches if match]
    return [(representation, version) for representation, id_, version in numbers if id_ == book_id]


def _header(name: str) -> str | None:
    """A header that may be sent in several lines, which mean the same as one."""
    lines: list[str] = request.headers.getlist(name)
    return ", ".join(lines) if lines else None
