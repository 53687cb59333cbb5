"""The header of a JPEG 2000 codestream: the size, and into how many pieces a decoder would cut the picture.

OpenJPEG sets up every piece before it reads one. By 1 x 1 precincts, 150 bytes make it take 2 GB and a minute for
2048 x 2048 pixels, so pieces smaller than any encoder makes them are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from worker.dicom.codestream import Size, segments

COD, COC, SOT, SOD = 0x52, 0x53, 0x90, 0x93
MOST_TILES = 4096
MOST_LAYERS = 256
LEAST_PRECINCT, LEAST_CODE_BLOCK = 5, 8  # powers of two: of a side; of the area


def size(codestream: bytes) -> Size:
    """Raises ValueError, IndexError or struct.error for what is no JPEG 2000, or no sensible one."""
    if codestream[:4] != b"\xff\x4f\xff\x51":
        raise ValueError
    right, low, left, top, width, height, _, _, samples = struct.unpack_from(">8LH", codestream, 8)
    parts = {struct.unpack_from(">3B", codestream, 42 + 3 * number) for number in range(samples)}
    ((bits, across, down),) = parts  # of all samples alike
    tiles = -(-right // max(1, width)) * -(-low // max(1, height))
    if (across, down) != (1, 1) or tiles > MOST_TILES:
        raise ValueError
    for styles in _codings(codestream):
        levels, wide, high = styles[:3]
        sides = [side for sizes in styles[5 : 6 + levels] for side in (sizes & 15, sizes >> 4)]
        if wide + high + 4 < LEAST_CODE_BLOCK or min(sides, default=15) < LEAST_PRECINCT:
            raise ValueError
    return Size(low - top, right - left, samples, (bits & 0x7F) + 1)


def bare(frame: bytes) -> bytes:
    """The codestream alone: some writers put it into a JP2 file first, which DICOM does not allow."""
    if frame[4:8] != b"jP  ":
        return frame
    at = 0
    while True:
        length, kind = struct.unpack_from(">L4s", frame, at)
        if kind == b"jp2c":
            return frame[at + 8 : at + length if length else None]
        if length < 8:
            raise ValueError
        at += length


def _codings(codestream: bytes) -> Iterator[bytes]:
    """Of the picture, of its tiles and of single samples: levels, code blocks, style, transformation, precincts."""
    at = 2  # the main header, then one part of a tile after the other
    while True:
        for marker, here in segments(codestream, at):
            if marker == SOD or (marker == SOT and here > at):
                break
            body = codestream[here + 4 : here + 2 + struct.unpack_from(">H", codestream, here + 2)[0]]
            if marker == COD and struct.unpack_from(">H", body, 2)[0] > MOST_LAYERS:
                raise ValueError
            if marker in (COD, COC):
                yield body[5:] if marker == COD else body[2:]
        if marker == SOT:
            at = here
            continue
        length = struct.unpack_from(">L", codestream, at + 6)[0]
        at += length
        if not length or codestream[at : at + 2] != b"\xff\x90":
            return
