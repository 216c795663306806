"""Versions on the wire: ETag, If-None-Match and If-Match."""

import re

from quart import Response, request
from werkzeug.exceptions import BadRequest

from service.api.bodies import bare
from service.books.queries import BookRow
from service.exceptions import ChangedMeanwhileError
from service.routing import MAX_ID

# A part of every ETag. To be raised when the same book is represented otherwise, because then its
# bytes change and its version does not.
REPRESENTATION = 1
_BOOK_ETAG = re.compile(rf'"{REPRESENTATION}-([1-9]\d{{0,9}})-(0|[1-9]\d{{0,9}})"', re.ASCII)
_ETAG = re.compile(r'(W/)?("[!#-~\x80-\xff]*")')  # RFC 9110, 8.8.3


class NoETagError(ChangedMeanwhileError):
    """What was sent as If-Match is no ETag."""

    code = "NO_ETAG"

    def __init__(self) -> None:
        super().__init__("Send the ETag as If-Match just as it was answered, with its quotes.")


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


def is_known(known: str | None, etag: str) -> bool:
    """Whether an If-None-Match has this ETag in it."""
    return known is not None and (known in (etag, "*") or etag in _etags(known, weak=True))


def versions_to_change(book_id: int) -> set[int] | None:
    """The versions of a book that the caller wants to change; None for whatever is there.

    Empty where there is none: a condition for another book, or one that only nothing can meet.
    Raises BadRequest for a condition that would have to be ignored, and NoETagError.
    """
    unless = _header("If-None-Match")
    if unless is not None and unless.strip() != "*":
        raise BadRequest("To change what you have seen, send its ETag as If-Match.")
    if unless is not None:
        return set()
    header = _header("If-Match")
    if header is None or header.strip() == "*":
        return None
    if not _etags(header, weak=True):
        raise NoETagError
    found = map(_BOOK_ETAG.fullmatch, _etags(header, weak=False))
    versions = {int(match[2]) for match in found if match and int(match[1]) == book_id}
    return {version for version in versions if version <= MAX_ID}


def _etags(header: str, *, weak: bool) -> list[str]:
    """Those that a header names, whatever else is in it; the weak ones only for reads."""
    return [etag for prefix, etag in _ETAG.findall(header) if weak or not prefix]


def _header(name: str) -> str | None:
    """A header that may be sent in several lines, which mean the same as one."""
    lines: list[str] = request.headers.getlist(name)
    return ", ".join(lines) if lines else None
