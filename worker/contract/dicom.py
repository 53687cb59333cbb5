"""What a DICOM file says of its picture, read without decoding a pixel; standard library only.

Claims that do not fit each other or the file are refused here, in the API and again in the worker.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from worker.contract.elements import UNDEFINED, Scan, damaged, name, text
from worker.contract.errors import DicomNoPicture, ImagePixelFormat, ImageTooLarge
from worker.contract.transfer_syntax import BIG_ENDIAN, UNCOMPRESSED, read_syntax

PREAMBLE, PREFIX = 128, b"DICM"
PHOTOMETRIC = {
    1: ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"),
    3: ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"),
}
FRAMES, PIXELS, FLOAT_PIXELS = 0x00280008, 0x7FE00010, (0x7FE00008, 0x7FE00009)
SAMPLES, INTERPRETATION, ROWS, COLUMNS, ALLOCATED, STORED = (
    0x00280000 + number for number in (0x02, 0x04, 0x10, 0x11, 0x100, 0x101)
)
# What decoding one frame may hold at once: this many numbers, of eight bytes where they are computed with.
MOST_VALUES = 2**26


class DicomHeader(NamedTuple):
    """What the file claims, and where its pixel data are: from byte `start` on, `length` bytes or UNDEFINED; and
    whether these are bytes (OB) or words (OW), which matters in big endian."""

    syntax: str
    rows: int
    columns: int
    frames: int
    samples: int
    bits: int
    photometric: str
    start: int
    length: int
    vr: str

    @property
    def frame_bits(self) -> int:
        """Of an uncompressed frame; YBR_FULL_422 shares its colours between two pixels."""
        bits = self.rows * self.columns * self.samples * self.bits
        return bits * 2 // 3 if self.photometric == "YBR_FULL_422" else bits


def is_dicom(data: bytes) -> bool:
    return data[PREAMBLE : PREAMBLE + len(PREFIX)] == PREFIX


def read_header(data: bytes, max_pixels: int) -> DicomHeader:
    """The claims of a Part 10 file, checked. Raises an ImageError that says what to send instead."""
    syntax, at = read_syntax(data, PREAMBLE + len(PREFIX))
    order = ">" if syntax == BIG_ENDIAN else "<"
    found, pixels = Scan(data, order).until(at, lambda tag: tag == PIXELS or tag in FLOAT_PIXELS)
    if pixels is None:
        raise DicomNoPicture("The DICOM file has no pixel data; send an image, not a report, a plan or a directory.")
    if pixels.tag in FLOAT_PIXELS:
        raise ImagePixelFormat("The DICOM file holds floating-point pixels, a measured map; send the image itself.")

    def number(tag: int) -> int:
        element = found.get(tag)
        if element is None or element.length != 2:
            raise damaged(f"{name(tag)} is missing or no number, and without it the pixels cannot be read")
        return int(struct.unpack_from(order + "H", data, element.start)[0])

    header = DicomHeader(
        syntax=syntax,
        rows=number(ROWS),
        columns=number(COLUMNS),
        frames=_frames(text(data, found.get(FRAMES))),
        samples=number(SAMPLES),
        bits=number(ALLOCATED),
        photometric=text(data, found.get(INTERPRETATION)),
        start=pixels.start,
        length=pixels.length,
        vr="OB" if pixels.vr == b"OB" else "OW",
    )
    _check_format(header, number(STORED))
    _check_size(header, len(data), max_pixels)
    return header


def _frames(claim: str) -> int:
    if not re.fullmatch(r"[+]?[0-9]{0,9}", claim):
        raise damaged("its number of frames is no number")
    return int(claim or "1") or 1


def _check_format(header: DicomHeader, stored: int) -> None:
    depths = (8,) if header.photometric.startswith("YBR_FULL") else (1, 8, 16, 32)
    allowed = header.bits in depths and 1 <= stored <= header.bits
    if header.photometric not in PHOTOMETRIC.get(header.samples, ()) or not allowed:
        known = header.photometric if header.photometric.replace("_", "").replace(" ", "").isalnum() else "unknown"
        raise ImagePixelFormat(
            f"Pixels of {header.samples} x {stored} of {header.bits} bits, {known[:16]}, are not read; send "
            "MONOCHROME, PALETTE COLOR, RGB or YBR_FULL with up to 32 bits a sample."
        )


def _check_size(header: DicomHeader, available: int, max_pixels: int) -> None:
    pixels = header.rows * header.columns
    if not pixels:
        raise damaged("it claims to have no rows or no columns")
    channels = 1 if header.photometric.startswith("MONOCHROME") else 3
    most = min(max_pixels, MOST_VALUES // channels)
    if pixels > most:
        raise ImageTooLarge(
            f"The file claims {header.columns} x {header.rows} pixels; the limit is {most:,} pixels. "
            "Send a smaller image: models take a few hundred pixels a side."
        )
    undefined = header.length == UNDEFINED
    if undefined == (header.syntax in UNCOMPRESSED):
        raise damaged("its pixel data are not packed as its transfer syntax says")
    held, claimed = available - header.start, (header.frames * header.frame_bits + 7) // 8
    if undefined:
        held, claimed = held // 8, header.frames  # a compressed frame has an item of its own, of at least eight bytes
    else:
        held = min(held, header.length)
    if claimed > held:
        raise damaged(f"it claims {header.frames} frames, which need more pixel data than the file holds")
