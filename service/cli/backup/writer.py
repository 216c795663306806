"""Writes a dump in one pass over one snapshot, with a few hundred rows in memory."""

import hashlib
from contextlib import aclosing
from typing import BinaryIO

import service
from service import migrations
from service.cli.backup.connections import snapshot
from service.cli.backup.files import write
from service.cli.backup.format import FORMAT, End, Header, Progress, Trailer, encode_line
from service.cli.backup.tables import stored_tables
from service.config import Settings
from service.models import utc_now


async def back_up(settings: Settings, stream: BinaryIO, progress: Progress) -> dict[str, int]:
    """Write the data of one moment; return the number of rows of each table.

    Raises SchemaError for a database that cannot be reached or is not at head. Raises BackupError
    if the stream cannot be written, or for a value that a dump cannot keep.
    """
    output = _Hashed(stream)
    counts: dict[str, int] = {}
    async with snapshot(settings) as connection:
        output.write(encode_line(_header(settings)))
        for stored in stored_tables():
            counts[stored.name] = 0
            async with aclosing(stored.lines(connection, progress)) as lines:
                async for line in lines:
                    output.write(line)
                    counts[stored.name] += 1
        output.write(encode_line(Trailer(End(counts, output.digest.hexdigest()))))
    return counts


def _header(settings: Settings) -> Header:
    return Header(
        readlog_backup=FORMAT,
        revision=migrations.head(),
        version=service.__version__,
        release=settings.release,
        written_at=utc_now(),
        tables={stored.name: stored.columns for stored in stored_tables()},
    )


class _Hashed:
    """A stream, and the SHA-256 of the bytes that were written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, line: bytes) -> None:
        self.digest.update(line)
        write(self._stream, line)
