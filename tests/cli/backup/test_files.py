"""The file of a dump: the old one or the new one whole, and for its owner's eyes only."""

import asyncio
import gzip
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from service.cli.backup.files import opened, replacing, write
from service.cli.backup.format import BackupError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put(path: Path, data: bytes = b"new") -> None:
    with replacing(path) as stream:
        write(stream, data)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def generous_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("generous_umask")
def test_owner_only(tmp_path: Path) -> None:
    """From the first byte on, and where an old file was open to all."""
    path = tmp_path / "dump"
    path.write_bytes(b"old")
    path.chmod(0o666)
    with replacing(path) as stream:
        write(stream, b"new")
        [temporary] = set(tmp_path.iterdir()) - {path}
        assert mode(temporary) == 0o600
        assert path.read_bytes() == b"old"
    assert mode(path) == 0o600
    assert contents(tmp_path) == {"dump": b"new"}


def test_packed_by_name(tmp_path: Path) -> None:
    put(tmp_path / "dump.jsonl.gz", b"new" * 1000)
    packed = (tmp_path / "dump.jsonl.gz").read_bytes()
    assert gzip.decompress(packed) == b"new" * 1000
    assert b"dump" not in packed
    put(tmp_path / "dump.jsonl")
    assert (tmp_path / "dump.jsonl").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["dump", "dump.gz"])
@pytest.mark.parametrize(
    "error", [ValueError(), KeyboardInterrupt(), asyncio.CancelledError(), BackupError("x")]
)
def test_interrupted(tmp_path: Path, name: str, error: BaseException) -> None:
    path = tmp_path / name
    path.write_bytes(b"old")

    def fail(stream: BinaryIO) -> None:
        write(stream, b"new" * 100_000)
        raise error

    with pytest.raises(type(error)), replacing(path) as stream:
        fail(stream)
    assert contents(tmp_path) == {name: b"old"}


def test_link(tmp_path: Path) -> None:
    """What it leads to is replaced, so that it leads to the new one."""
    (tmp_path / "disk").mkdir()
    link = tmp_path / "dump"
    link.symlink_to(tmp_path / "disk" / "real")
    put(link)
    put(link, b"newer")
    assert link.is_symlink()
    assert contents(tmp_path / "disk") == {"real": b"newer"}


def test_no_file(tmp_path: Path) -> None:
    """A device must not become a file, nor a folder vanish."""
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(BackupError, match="is not a file; - stands for standard output"):
            put(path)
    assert Path("/dev/null").is_char_device()
    with pytest.raises(BackupError, match=r"cannot write .*: No such file or directory"):
        put(tmp_path / "missing" / "dump")
    with pytest.raises(BackupError, match=r"cannot read .*: No such file or directory"):
        opened(str(tmp_path / "missing")).__enter__()


def test_read_by_content_not_by_name(tmp_path: Path) -> None:
    for name, data in (("a.gz", b"line\n"), ("b", gzip.compress(b"line\n"))):
        (tmp_path / name).write_bytes(data)
        with opened(str(tmp_path / name)) as stream:
            assert stream.read() == b"line\n"


def test_stream_that_takes_no_more() -> None:
    """Not to be taken for an error of the database's, which is an OSError too."""

    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(BackupError, match="cannot write: No space left on device"):
        write(Full(), b"x")
