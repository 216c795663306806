"""Reads a dump of any release line by line, and compares it with the counts and hash at its end."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, TypeVar

import msgspec

from service.cli.backup.files import reading
from service.cli.backup.format import (
    FORMAT,
    LINE_LIMIT,
    PROGRESS_ROWS,
    TRAILER_START,
    BackupError,
    End,
    Header,
    Line,
    Progress,
    Trailer,
    encode_line,
)

T = TypeVar("T")

_HEADER = msgspec.json.Decoder(Header)
_LINE = msgspec.json.Decoder(Line)
_TRAILER = msgspec.json.Decoder(Trailer)


class Row(NamedTuple):
    """A row of a dump. `number` is the number of its line, from 1."""

    number: int
    table: str
    values: msgspec.Raw
    line: bytes


class Content(NamedTuple):
    """A summary of a table: equal for tables with the same rows."""

    rows: int
    sha256: str


Contents = dict[str, Content]


class Reader:
    """Reads the header of a dump at once, and its rows later; the rows can be read once."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the header. Raises BackupError for another file, or another format of dumps."""
        self._stream = stream
        self._digest = hashlib.sha256()
        self._number = 0
        first = self._next()
        if b"readlog_backup" not in first:
            raise BackupError("this is not a dump of this service")
        self.header = self._decoded(_HEADER, first)
        if self.header.readlog_backup != FORMAT:
            raise BackupError(
                f"the dump's format is {self.header.readlog_backup}, and this release reads"
                f" {FORMAT} only"
            )
        self._digest.update(first)
        self._counts = dict.fromkeys(self.header.tables, 0)
        self._digests = {table: hashlib.sha256() for table in self.header.tables}

    def rows(self, progress: Progress) -> Iterator[Row]:
        """Yield every row. Only after the last row is it known that the dump is undamaged.

        Raises BackupError if the dump is damaged or truncated, at the latest after the last row.
        """
        left = list(self.header.tables)
        while not (line := self._next()).startswith(TRAILER_START):
            entry = self._decoded(_LINE, line)
            while left and left[0] != entry.table:
                del left[0]
            if not left:
                raise self._damaged("its table is unknown, or out of order")
            self._digest.update(line)
            self._digests[entry.table].update(line)
            self._counts[entry.table] += 1
            if self._counts[entry.table] % PROGRESS_ROWS == 0:
                progress(entry.table, self._counts[entry.table])
            yield Row(self._number, entry.table, entry.row, line)
        self._check_end(line)

    @property
    def contents(self) -> Contents:
        """The summary of the rows that were read, for each table."""
        return {
            table: Content(self._counts[table], digest.hexdigest())
            for table, digest in self._digests.items()
        }

    def _check_end(self, line: bytes) -> None:
        said = self._decoded(_TRAILER, line).end
        found = End(self._counts, self._digest.hexdigest())
        if said.rows != found.rows:
            raise BackupError("the dump is damaged: its number of rows differs from its last line")
        # Compare the whole line, so that a change of any byte in it is found as well.
        if line != encode_line(Trailer(found)):
            raise BackupError(
                "the dump is damaged: its last line, with the SHA-256, does not match it"
            )
        with reading():
            if self._stream.read(1):
                raise BackupError("the dump is damaged: there is more after its last line")

    def _next(self) -> bytes:
        self._number += 1
        with reading():
            line = self._stream.readline(LINE_LIMIT + 1)
        if len(line) > LINE_LIMIT:
            raise self._damaged("it is too long")
        if not line.endswith(b"\n"):
            raise BackupError(f"the dump is truncated: it ends in line {self._number}")
        return line

    def _decoded(self, decoder: "msgspec.json.Decoder[T]", line: bytes) -> T:
        try:
            return decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._damaged("it has the wrong form") from None

    def _damaged(self, why: str) -> BackupError:
        return BackupError(f"the dump is damaged in line {self._number}: {why}")
