"""The headers ETag, If-None-Match and If-Match."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from quart import Response, request
from werkzeug.exceptions import BadRequest

from service.api.bodies import bare
from service.books.exceptions import BookChangedError
from service.books.queries import BookRow
from service.exceptions import ChangedMeanwhileError
from service.web.etags import ADDED_BY_PROXIES, is_known, opaque_tags
from service.web.routing import MAX_ID

# A part of every ETag. Raise it when the JSON of a book changes its form: then the bytes of a book
# change, and its version does not.
REPRESENTATION = 1
_NUMBER = r"0|[1-9]\d{0,9}"
_BOOK_TAG = re.compile(rf"({_NUMBER})-({_NUMBER})-({_NUMBER}){ADDED_BY_PROXIES}", re.ASCII)


class NoETagError(ChangedMeanwhileError):
    """No tag in If-Match is an ETag of this book, so none names a version of it."""

    code = "NO_ETAG"
    public_description = "No tag in If-Match is an ETag of this book."

    def __init__(self) -> None:
        super().__init__(
            "If-Match names no ETag of this book, so nothing was done to it. Send the ETag header"
            " that the book was answered with, as it stands there, with its quotes."
        )


def etag_of_book(book: BookRow) -> str:
    """Return the ETag of a book."""
    return f'"{REPRESENTATION}-{book.id}-{book.version}"'


def etag_of_list(owner: int, revision: int) -> str:
    """Return the ETag of an owner's list. It changes with every change of the list.

    All parts and orders of the list share it. All lists have one URL, so it contains the owner.
    Its form differs from the ETag of a book.
    """
    return f'"{REPRESENTATION}-of-{owner}-{revision}"'


def not_modified(etag: str) -> Response | None:
    """Return a 304 if If-None-Match names this ETag, else None."""
    return bare(304, {"ETag": etag}) if is_known(_joined_header("If-None-Match"), etag) else None


@contextmanager
def versions_to_change(book_id: int) -> Iterator[set[int] | None]:
    """Yield the versions of a book that the request's conditions allow to change.

    None means every version, and an empty set means none. A weak tag counts, although RFC 9110
    (13.1.1) excludes it: our ETags are strong, so a proxy made it weak, and it still names a
    version (decision 17). Raises BadRequest for an If-None-Match with tags, which would have to be
    ignored. If If-Match names no ETag of this book, NoETagError replaces the block's
    BookChangedError: the caller has seen no version, so reading the book again would not help.
    """
    unless = _joined_header("If-None-Match")
    if unless is not None and unless.strip() != "*":
        raise BadRequest("To change what you have seen, send its ETag as If-Match.")
    header = _joined_header("If-Match")
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
    """Return representation and version of each tag of this book. Other tags are ignored."""
    matches = map(_BOOK_TAG.fullmatch, opaque_tags(header))
    numbers = [tuple(map(int, match.groups())) for match in matches if match]
    return [(representation, version) for representation, id_, version in numbers if id_ == book_id]


def _joined_header(name: str) -> str | None:
    """Return the value of a header. Several lines of it are joined, which means the same."""
    lines: list[str] = request.headers.getlist(name)
    return ", ".join(lines) if lines else None
