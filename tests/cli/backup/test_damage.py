"""A dump that is truncated, altered or forged is refused, and nothing is changed."""

import gzip
import hashlib
import io
import json
import re
from collections.abc import Callable
from contextlib import suppress

import pytest

from service.cli.backup.comparing import read_contents
from service.cli.backup.files import _unpacked
from service.cli.backup.format import BackupError
from service.config import Settings
from tests.cli.backup.databases import dump, fill, ignore, load, some_of_everything, stored

TRUNCATED = r"the (dump|compressed file) is truncated"


@pytest.fixture
async def data(on_sqlite: Settings) -> bytes:
    await fill(on_sqlite, some_of_everything())
    return await dump(on_sqlite)


def read(data: bytes) -> None:
    with _unpacked(io.BytesIO(data)) as stream:
        read_contents(stream, ignore)


def forge(data: bytes, change: Callable[[list[bytes]], None]) -> bytes:
    """With other lines, and an end that has the right hash and counts of them."""
    lines = data.splitlines(keepends=True)[:-1]
    change(lines)
    counts = dict.fromkeys(json.loads(lines[0])["tables"], 0)
    for line in lines[1:]:
        with suppress(ValueError, KeyError, TypeError):
            counts[json.loads(line)["table"]] += 1
    end = {"rows": counts, "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}
    lines.append(json.dumps({"end": end}, separators=(",", ":")).encode() + b"\n")
    return b"".join(lines)


def test_whole(data: bytes) -> None:
    """The other tests would be content with a reader that refuses everything."""
    read(data)
    read(gzip.compress(data))
    assert forge(data, lambda _: None) == data


def test_truncated_anywhere(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(BackupError, match=TRUNCATED if length else "truncated"):
            read(data[:length])


def test_truncated_anywhere_packed(data: bytes) -> None:
    packed = gzip.compress(data)
    for length in range(len(packed)):
        with pytest.raises(BackupError, match=TRUNCATED):
            read(packed[:length])


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_altered_byte_anywhere(data: bytes, flip: int) -> None:
    for place in range(len(data)):
        altered = bytearray(data)
        altered[place] ^= flip
        with pytest.raises(BackupError):
            read(bytes(altered))


def test_altered_byte_anywhere_packed(data: bytes) -> None:
    """Some bytes of the packing say nothing of what is packed."""
    packed = gzip.compress(data)
    refused = 0
    for place in range(len(packed)):
        altered = bytearray(packed)
        altered[place] ^= 0x11
        try:
            with _unpacked(io.BytesIO(altered)) as stream:
                read_contents(stream, ignore)
        except BackupError:
            refused += 1
        else:
            assert gzip.decompress(altered) == data
    assert refused > len(packed) - 12


def test_lines_removed_doubled_exchanged(data: bytes) -> None:
    lines = data.splitlines(keepends=True)
    for number in range(len(lines)):
        with pytest.raises(BackupError):
            read(b"".join(lines[:number] + lines[number + 1 :]))
        with pytest.raises(BackupError):
            read(b"".join(lines[: number + 1] + lines[number:]))
        if number:
            lines[number - 1 : number + 1] = lines[number], lines[number - 1]
            with pytest.raises(BackupError):
                read(b"".join(lines))
            lines[number - 1 : number + 1] = lines[number], lines[number - 1]


@pytest.mark.parametrize("more", [b"\n", b"x", b'{"table":"users"}\n'])
def test_something_after_the_end(data: bytes, more: bytes) -> None:
    with pytest.raises(BackupError, match="there is more after its last line"):
        read(data + more)
    with pytest.raises(BackupError):
        read(gzip.compress(data) + more)
    with pytest.raises(BackupError):
        read(gzip.compress(data) + gzip.compress(more))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (b"\n", "not a dump"),
        (b"SQLite format 3\0", "truncated"),
        (b"-- PostgreSQL database dump\n", "not a dump"),
        (b'{"readlog_backup":1}\n', "damaged in line 1"),
        (b'{"readlog_backup":"1"}\n', "damaged in line 1"),
        (b'{"readlog_backup":' + b"[" * 100_000 + b"\n", "damaged in line 1"),
        (b'{"readlog_backup":\xff}\n', "damaged in line 1"),
    ],
)
def test_something_else(content: bytes, message: str) -> None:
    with pytest.raises(BackupError, match=message):
        read(content)


def test_other_format(data: bytes) -> None:
    with pytest.raises(BackupError, match="the dump's format is 2, and this release reads 1 only"):
        read(data.replace(b'{"readlog_backup":1,', b'{"readlog_backup":2,', 1))


def test_endless_line(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not read to its end, if it has one."""
    monkeypatch.setattr("service.cli.backup.reader.LINE_LIMIT", 2_000)
    read(data)
    stream = io.BytesIO(data.splitlines(keepends=True)[0] + b"x" * 100_000)
    with pytest.raises(BackupError, match="damaged in line 2: it is too long"):
        read_contents(stream, ignore)
    assert stream.tell() < 10_000


def cut(at: bytes, offset: int = 0) -> Callable[[bytes], bytes]:
    return lambda data: data[: data.index(at) + offset]


def forged(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(lines: list[bytes]) -> None:
        before = list(lines)
        lines[1:] = [re.sub(old.encode(), new.encode(), line) for line in lines[1:]]
        assert lines != before

    return lambda data: forge(data, change)


DAMAGES = {
    "truncated in the header": (cut(b"tables"), "truncated"),
    "truncated in a row": (cut(b"bob@"), "truncated"),
    "truncated between tables": (cut(b'{"table":"sessions"'), "truncated"),
    "truncated before the end": (cut(b'{"end"'), "truncated"),
    "truncated in the end": (cut(b'{"end"', 40), "truncated"),
    "without the last line break": (lambda data: data[:-1], "truncated"),
    "altered title": (lambda data: data.replace(b"Zauber", b"Sauber"), "SHA-256"),
    "altered count": (lambda data: data.replace(b'"users":2', b'"users":3'), "number of rows"),
    "altered end": (lambda data: data.replace(b'{"end":{', b'{"end": {'), "SHA-256"),
    "unknown table": (forged('"table":"books"', '"table":"rate_limits"'), "out of order"),
    "unknown column": (forged('"reason"', '"cause"'), "legacy_books: Object"),
    "text for number": (forged('"user_id":3', '"user_id":[3]'), "Expected"),
    "null": (forged('"author":"y"', '"author":null'), "books: Expected"),
    "time without zone": (forged('07Z","updated', '07","updated'), "books: .*created_at"),
    "owner who is not there": (
        forged('"id":3,"email"', '"id":5,"email"'),
        "books_user_id_fkey|a row of ",
    ),
    "two with one address": (forged("bob@example.com", "alice@example.com"), "refuses lines"),
    "rating out of range": (forged('"rating":5', '"rating":6'), "refuses lines .*rating"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_nothing_is_changed(data: bytes, here: Settings, damage: str) -> None:
    """Neither an empty database nor what was to be replaced."""
    change, message = DAMAGES[damage]
    for replace in (False, True):
        before = await stored(here)
        with pytest.raises(BackupError, match=message) as refused:
            await load(here, change(data), replace=replace)
        assert "\n" not in str(refused.value)
        assert await stored(here) == before
        await load(here, data, replace=True)
