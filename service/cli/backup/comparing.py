"""Checks that a dump is undamaged, and compares it with a database; changes neither."""

import hashlib
from contextlib import aclosing
from typing import BinaryIO

from service.cli.backup.connections import snapshot
from service.cli.backup.format import Header, Progress
from service.cli.backup.reader import Content, Contents, Reader
from service.cli.backup.restoring import require_fitting
from service.cli.backup.tables import stored_tables
from service.config import Settings


def read_contents(stream: BinaryIO, progress: Progress) -> tuple[Header, Contents]:
    """Return the header and the tables of a dump. Raises BackupError if it is damaged."""
    reader = Reader(stream)
    for _ in reader.rows(progress):
        pass
    return reader.header, reader.contents


async def stored_contents(settings: Settings, header: Header, progress: Progress) -> Contents:
    """Return the contents of the database, for comparison with a dump that has this header.

    Raises BackupError if the dump has another schema revision, and SchemaError for a database that
    cannot be reached or is not at head.
    """
    require_fitting(header)
    contents = {}
    async with snapshot(settings) as connection:
        for stored in stored_tables():
            digest, count = hashlib.sha256(), 0
            async with aclosing(stored.lines(connection, progress)) as lines:
                async for line in lines:
                    digest.update(line)
                    count += 1
            contents[stored.name] = Content(count, digest.hexdigest())
    return contents
