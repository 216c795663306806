"""Says whether a dump is whole, and whether a database holds the same; changes neither."""

import hashlib
from contextlib import aclosing
from dataclasses import dataclass
from typing import BinaryIO

from service.backup.connections import snapshot
from service.backup.format import Header, Progress
from service.backup.reader import Reader
from service.backup.restoring import require_fitting
from service.backup.tables import stored_tables
from service.config import Settings


@dataclass(frozen=True)
class Content:
    """What a table holds, in short: the same where every row is."""

    rows: int
    sha256: str


def read_contents(stream: BinaryIO, progress: Progress) -> tuple[Header, dict[str, Content]]:
    """The header and the tables of a dump. Raises BackupError unless it is whole."""
    reader = Reader(stream)
    digests = {table: hashlib.sha256() for table in reader.header.tables}
    for row in reader.rows(progress):
        digests[row.table].update(row.line)
    contents = {
        table: Content(reader.counts[table], digest.hexdigest())
        for table, digest in digests.items()
    }
    return reader.header, contents


async def stored_contents(
    settings: Settings, header: Header, progress: Progress
) -> dict[str, Content]:
    """What the database holds, to be compared with a dump of this header.

    Raises BackupError where a dump of another schema revision cannot be compared, SchemaError
    for a database that is away or not at head.
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
