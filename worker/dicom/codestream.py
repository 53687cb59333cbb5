"""Whether a compressed frame is of the size that its file claims: what a decoder goes by is the frame's own header."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

# Sequential JPEG with Huffman codes; all but DHT, JPG and DAC, which stand between them, begin other kinds.
BASELINE, EXTENDED, JPEG_LS = 0xC0, 0xC1, 0xF7
NO_START = (0xC4, 0xC8, 0xCC)


class Size(NamedTuple):
    """What a frame's own header says."""

    rows: int
    columns: int
    samples: int
    bits: int


def segments(codestream: bytes, at: int) -> Iterator[tuple[int, int]]:
    """The markers that have a length, and where they are. Raises IndexError where there is something else."""
    while True:
        if codestream[at] != 0xFF:
            raise IndexError
        marker = codestream[at + 1]
        if marker == 0xFF:  # any number of these may come before a marker
            at += 1
            continue
        yield marker, at
        at += 2 + struct.unpack_from(">H", codestream, at + 2)[0]


def jpeg_size(codestream: bytes, *starts: int) -> Size:
    """Of JPEG or JPEG-LS. Raises ValueError, IndexError or struct.error if it is not of one of these kinds."""
    for marker, at in segments(codestream, 2):
        if marker in starts:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", codestream, at + 4)
            return Size(rows, columns, samples, bits)
        if 0xC0 <= marker < 0xD0 and marker not in NO_START:
            break
    raise ValueError


def unpacks_to(segment: bytes, pixels: int) -> bool:
    """Whether an RLE segment gives these pixels; some writers add a little padding."""
    at, given, most = 0, 0, pixels + 64
    while at < len(segment) and given <= most:
        head = segment[at]
        if head < 128:
            given += min(head + 1, len(segment) - at - 1)
            at += head + 2
        elif head > 128:
            given += 257 - head
            at += 2
        else:
            at += 1
    return pixels <= given <= most
