"""Files of dumps: written beside the old one and put in its place whole, read packed or not."""

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
_GZIP_LEVEL = 6  # 9 takes three times as long for a hundredth less


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file, for its owner's eyes only, that takes the path's place when the block ends.

    An error, or the end of the process, leaves the old file as it was. Packs where the name ends
    in .gz. Raises BackupError for a place that cannot be written to.
    """
    target = Path(os.path.realpath(path))  # the file that a link leads to, not the link
    with _explained(f"cannot write {path}"):
        # /dev/null, say, must not become a file.
        if target.exists() and not target.is_file():
            raise BackupError(f"{path} is not a file; - stands for standard output")
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Closing tries again to write what did not fit on the disk: that fails in here too.
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
    """Raises BackupError, which is not taken for an error of the database's."""
    with _explained("cannot write"):
        stream.write(data)


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """A dump to read, unpacked if need be; - is standard input. Raises BackupError."""
    with ExitStack() as stack:
        if name == "-":
            file = sys.stdin.buffer
        else:
            with _explained(f"cannot read {name}"):
                file = stack.enter_context(Path(name).open("rb"))
        yield stack.enter_context(_unpacked(file))


@contextmanager
def _unpacked(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The same, or what is packed in it, whatever its name is. Raises BackupError."""
    reader = BufferedReader(cast(Any, stream))
    try:
        with reading():
            start = reader.peek(2)[:2]
        packed = start == _GZIP_MAGIC
        yield cast(BinaryIO, gzip.GzipFile(fileobj=reader, mode="rb") if packed else reader)
    finally:
        reader.detach()  # it would close what others may still want to read


@contextmanager
def reading() -> Iterator[None]:
    """What is wrong with the file becomes a BackupError."""
    try:
        yield
    except EOFError:
        raise BackupError("the packed file is truncated: its end is missing") from None
    except (gzip.BadGzipFile, zlib.error):
        raise BackupError("the packed file is damaged") from None
    except OSError as error:
        raise BackupError(f"cannot read: {error.strerror or error}") from error


@contextmanager
def _packed(file: BinaryIO, *, packing: bool) -> Iterator[BinaryIO]:
    if packing:
        # Without a name: it would be the temporary one.
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
    """A rename is on the disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
