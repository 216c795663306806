"""Files of dumps: replaced only by a complete file; read with or without gzip's compression."""

import gzip
import os
import secrets
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

from service.cli.backup.format import BackupError

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_LEVEL = 6  # level 9 takes three times as long for a file that is one percent smaller


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Lend a new file that replaces `path` at the end of the block; only its owner can read it.

    After an error or a kill, the old file is unchanged. The data is compressed with gzip if the
    name ends in .gz. Raises BackupError if the file cannot be written.
    """
    target = Path(os.path.realpath(path))  # replaces the target of a link, not the link
    with _explained(f"cannot write {path}"):
        # A device such as /dev/null must not be replaced by a file.
        if target.exists() and not target.is_file():
            raise BackupError(f"{path} is not a file; - stands for standard output")
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Closing writes buffered data again after a full disk: that error is explained too.
            with os.fdopen(descriptor, "wb") as file:
                with _packed(file, packing=path.name.endswith(".gz")) as stream:
                    yield stream
                file.flush()
                os.fsync(descriptor)
            temporary.replace(target)
            _sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write(stream: BinaryIO, data: bytes) -> None:
    """Write the data. Raises BackupError; an OSError would look like an error of the database."""
    with _explained("cannot write"):
        stream.write(data)


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Lend a dump for reading, decompressed if needed; - is standard input. Raises BackupError."""
    with ExitStack() as stack:
        if name == "-":
            file = sys.stdin.buffer
        else:
            with _explained(f"cannot read {name}"):
                file = stack.enter_context(Path(name).open("rb"))
        yield stack.enter_context(_unpacked(file))


@contextmanager
def _unpacked(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Lend the stream, or its decompressed data if it begins like gzip. Raises BackupError."""
    reader = BufferedReader(cast(Any, stream))
    try:
        with reading():
            start = reader.peek(2)[:2]
        packed = start == _GZIP_MAGIC
        yield cast(BinaryIO, gzip.GzipFile(fileobj=reader, mode="rb") if packed else reader)
    finally:
        reader.detach()  # otherwise the reader would close the stream, which may be standard input


@contextmanager
def reading() -> Iterator[None]:
    """Turn errors of reading a file into BackupError."""
    try:
        yield
    except EOFError:
        raise BackupError("the compressed file is truncated: its end is missing") from None
    except (gzip.BadGzipFile, zlib.error):
        raise BackupError("the compressed file is damaged") from None
    except OSError as error:
        raise BackupError(f"cannot read: {error.strerror or error}") from error


@contextmanager
def _packed(file: BinaryIO, *, packing: bool) -> Iterator[BinaryIO]:
    if packing:
        # No name in gzip's header: it would be the temporary one.
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file) as stream:
            yield cast(BinaryIO, stream)
    else:
        yield file


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(f"{what}: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    """Write the folder to the disk: only then is a rename in it safe."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
