"""The lines of a dump that are no rows, and what is wrong with a dump."""

from collections.abc import Callable
from datetime import datetime

import msgspec

FORMAT = 1
# Bytes. No row of this service's own making has a thousandth of it; a file that is not ours at
# all, and has no line breaks, is not to fill the memory.
LINE_LIMIT = 64 * 1024 * 1024
TRAILER_START = b'{"end":'
PROGRESS_ROWS = 10_000  # after so many rows of a table, progress is told

Progress = Callable[[str, int], None]  # what is told: the table, and its rows so far


class BackupError(Exception):
    """A dump cannot be written, read or restored; the text is one line that tells why."""


class Header(msgspec.Struct, frozen=True):
    """The first line of a dump; unknown fields are for later releases."""

    readlog_backup: int
    revision: str
    version: str
    release: str
    written_at: datetime
    tables: dict[str, list[str]]


class End(msgspec.Struct, frozen=True):
    """Rows of each table, and the hash of every byte before this line."""

    rows: dict[str, int]
    sha256: str


class Trailer(msgspec.Struct, frozen=True):
    """The last line."""

    end: End


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a table; what it must hold is for the table to say."""

    table: str
    row: msgspec.Raw


def encode_line(value: object) -> bytes:
    """One line, in the one spelling that each value has."""
    return msgspec.json.encode(value) + b"\n"
