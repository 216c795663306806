"""Makes screenshots small: PNG with a palette of the picture's 256 most frequent colours."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256


def with_palette(png: bytes) -> bytes:
    """The same picture; rarer colours become the nearest of those that are kept.

    Takes what Chromium writes: 8 bits for each of RGB or RGBA, not interlaced, opaque.
    """
    width, height, samples, data = _read(png)
    rows = list(_unfiltered(data, width * samples, height, samples))
    pixels = [[row[i : i + 3] for i in range(0, len(row), samples)] for row in rows]
    counts = Counter(pixel for row in pixels for pixel in row)
    palette = [colour for colour, _ in counts.most_common(COLOURS)]
    index = {colour: _nearest(colour, palette) for colour in counts}
    lines = b"".join(b"\0" + bytes(index[pixel] for pixel in row) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _read(png: bytes) -> tuple[int, int, int, bytes]:
    """Width, height, bytes per pixel, and the filtered lines."""
    assert png.startswith(SIGNATURE)
    place, packed, header = len(SIGNATURE), b"", b""
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        content = png[place + 8 : place + 8 + length]
        header = content if kind == b"IHDR" else header
        packed += content if kind == b"IDAT" else b""
        place += length + 12
    width, height, bits, colour_type, *_, interlaced = struct.unpack(">IIBBBBB", header)
    assert (bits, interlaced) == (8, 0)
    return width, height, {2: 3, 6: 4}[colour_type], zlib.decompress(packed)


def _unfiltered(data: bytes, length: int, height: int, samples: int) -> Iterator[bytes]:
    """The lines, each from the differences that its filter wrote."""
    above = bytes(length)
    for number in range(height):
        start = number * (length + 1)
        kind, line = data[start], bytearray(data[start + 1 : start + 1 + length])
        for i in range(length):
            left = line[i - samples] if i >= samples else 0
            upper_left = above[i - samples] if i >= samples else 0
            line[i] = (line[i] + _predicted(kind, left, above[i], upper_left)) & 0xFF
        above = bytes(line)
        yield above


def _predicted(kind: int, left: int, up: int, upper_left: int) -> int:
    if kind == 4:
        estimate = left + up - upper_left
        return min((left, up, upper_left), key=lambda value: abs(estimate - value))
    return (0, left, up, (left + up) // 2)[kind]


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    return min(
        range(len(palette)),
        key=lambda i: sum((a - b) ** 2 for a, b in zip(colour, palette[i], strict=True)),
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
