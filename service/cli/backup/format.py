"""The format of a dump: its lines, their encoding, and the error of a dump."""

from collections.abc import Callable
from datetime import datetime

import msgspec

FORMAT = 1
# Bytes. The rows of this service are more than a thousand times shorter. A file that is not a dump
# and has no line breaks must not fill the memory.
LINE_LIMIT = 64 * 1024 * 1024
TRAILER_START = b'{"end":'
PROGRESS_ROWS = 10_000  # rows of a table between two reports of progress

Progress = Callable[[str, int], None]  # gets the table, and the number of its rows so far


class BackupError(Exception):
    """A dump cannot be written, read or restored. The text is one line with the reason."""


class Header(msgspec.Struct, frozen=True):
    """The first line of a dump. Later releases may add fields, so unknown ones are ignored."""

    readlog_backup: int
    revision: str
    version: str
    release: str
    written_at: datetime
    tables: dict[str, list[str]]


class End(msgspec.Struct, frozen=True):
    """The number of rows of each table, and the hash of all bytes before this line."""

    rows: dict[str, int]
    sha256: str


class Trailer(msgspec.Struct, frozen=True):
    """The last line of a dump."""

    end: End


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The line of one row. `StoredTable.decode` checks the values."""

    table: str
    row: msgspec.Raw


def encode_line(value: object) -> bytes:
    """Return one line of JSON; equal values always give equal bytes."""
    return msgspec.json.encode(value) + b"\n"
