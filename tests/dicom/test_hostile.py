"""Files made to harm: each is refused by a clear error, in little time and memory."""

from __future__ import annotations

import logging
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGExtended12Bit, RLELossless

from tests.dicom.files import MAX_PIXELS, dataset, part10, real
from worker.contract import elements
from worker.contract.errors import ImageError, SuretyError
from worker.contract.image import inspect
from worker.service.images import decode

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)
DEFLATED = "1.2.840.10008.1.2.1.99"
MEGABYTE = 2**20


@pytest.fixture(autouse=True)
def _bounded(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Memory that Python and numpy take; nothing is logged, for it would quote the file."""
    decode(part10(dataset(GREY)), MAX_PIXELS)  # imports
    caplog.set_level(logging.DEBUG)
    tracemalloc.start()
    started = time.process_time()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * MEGABYTE and time.process_time() - started < 10
    assert [record for record in caplog.records if record.name != "openjpeg.encode"] == []


def refused(data: bytes, code: str, says: str, frame: int | None = None) -> None:
    with pytest.raises(SuretyError, match=says) as error:
        decode(data, MAX_PIXELS, frame)
    assert error.value.code == code and error.value.pointer in ("/image", "/spec/frame")


def head(syntax: str) -> bytes:
    """Everything before the data set."""
    data = part10(dataset(GREY))
    return data[: data.index(b"\x08\x00\x16\x00UI")].replace(
        b"1.2.840.10008.1.2.1\0", syntax.encode().ljust(20, b"\0")[:20]
    )


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    said = len(value) if length is None else length
    size = b"\0\0" + struct.pack("<L", said) if vr in (b"SQ", b"OB", b"UN", b"OW") else struct.pack("<H", said)
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr + size + value


def test_a_deflated_file_is_not_unpacked() -> None:
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = 512 * block + packer.flush()
    assert len(packed) < 600_000
    data = part10(dataset(GREY)).replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x16\x00" + DEFLATED.encode())
    refused(data[:340] + packed, "dicom_transfer_syntax", "Deflated .* Explicit VR Little Endian")


def runs(pixels: int, given: int | None = None) -> bytes:
    """One RLE segment that says it has so many zeros."""
    segment = b"\x81\0" * -(-(pixels if given is None else given) // 128)
    return struct.pack("<16L", 1, 64, *[0] * 14) + segment


def test_an_rle_file_that_asks_for_gigabytes() -> None:
    huge = dataset(GREY, Rows=55_000, Columns=55_000)
    data = part10(huge, RLELossless, [runs(8192 * 64)])
    assert len(data) < 10_000
    refused(data, "image_too_large", "55000 x 55000 pixels; the limit is 64,000,000")
    refused(part10(dataset(GREY), RLELossless, [runs(0, 64 * MEGABYTE)]), "image_unreadable", "RLE segment unpacks")
    short = part10(dataset(GREY, Rows=4000, Columns=4000), RLELossless, [runs(64)])
    refused(short, "image_unreadable", "more or fewer pixels")


def test_lying_sizes() -> None:
    refused(part10(dataset(GREY, Rows=8000, Columns=8000)), "image_unreadable", "more pixel data than the file holds")
    refused(part10(dataset(GREY, NumberOfFrames=10**9 - 1)), "image_unreadable", "claims 999999999 frames", 1)
    refused(part10(dataset(GREY, NumberOfFrames=-4)), "image_unreadable", "frames is no number")
    refused(part10(dataset(GREY, Rows=0)), "image_unreadable", "no rows")
    many = part10(dataset(GREY, NumberOfFrames=3), RLELossless, [runs(64)])
    refused(many, "frame_required", "3 frames")
    refused(many, "image_unreadable", "damaged|cannot be decoded", 3)
    refused(part10(dataset(GREY, NumberOfFrames=10**6), RLELossless, [runs(64)]), "image_unreadable", "frames", 1)
    wide = np.zeros((2, 2, 3), np.uint8)
    refused(part10(dataset(wide, Rows=60_000, Columns=1_000)), "image_too_large", "limit is 22,369,621")


def jpeg2000(side: int) -> bytes:
    return bytes(encode_array(np.zeros((side, side), np.uint8)))


def test_a_codestream_of_another_size_or_in_a_million_pieces() -> None:
    made: Any = {"Rows": 64, "Columns": 64}
    assert decode(part10(dataset(GREY, **made), JPEG2000Lossless, [jpeg2000(64)]), MAX_PIXELS).pixels.shape == (
        1,
        64,
        64,
    )
    larger = part10(dataset(GREY, **made), JPEG2000Lossless, [jpeg2000(2048)])
    refused(larger, "image_unreadable", "another size than the file claims")
    plain, small = (
        bytes.fromhex(styles) for styles in ("ff52000c00000001000504040001", "ff52001201000001000504040001")
    )
    precincts = jpeg2000(64).replace(plain, small + bytes([0x00, *[0x11] * 5]))
    refused(part10(dataset(GREY, **made), JPEG2000Lossless, [precincts]), "image_unreadable", "too many pieces")
    one, many = (struct.pack(">8L", 256, 256, 0, 0, tile, tile, 0, 0) for tile in (256, 1))
    tiles = jpeg2000(256).replace(one, many)
    large = dataset(GREY, Rows=256, Columns=256)
    refused(part10(large, JPEG2000Lossless, [tiles]), "image_unreadable", "too many pieces")
    loop = bytes.fromhex("0000000c6a5020200d0a870a") + bytes(64)
    refused(part10(dataset(GREY, **made), JPEG2000Lossless, [loop]), "image_unreadable", "no JPEG 2000")


def test_jpeg_of_other_kinds_is_refused_by_name() -> None:
    start = b"\xff\xd8\xff%c\x00\x0b%c\x00\x08\x00\x08\x01\x01\x11\x00"
    twelve = part10(dataset(GREY.astype(np.uint16)), JPEGExtended12Bit, [start % (0xC1, 12)])
    refused(twelve, "dicom_transfer_syntax", "12 bits")
    progressive = part10(dataset(GREY), JPEGBaseline8Bit, [start % (0xC2, 8)])
    refused(progressive, "image_unreadable", "no JPEG Baseline")
    scans = part10(dataset(GREY), JPEGBaseline8Bit, [start % (0xC0, 8) + b"\xff\xda\x00\x02" * 20_000])
    refused(scans, "image_too_large", "scans")


def test_sequences_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    explicit, nothing = head("1.2.840.10008.1.2.1"), 0xFFFFFFFF
    opened = element(0x00081115, b"SQ", b"", nothing) + struct.pack("<HHL", 0xFFFE, 0xE000, nothing)
    refused(explicit + opened * 10_000, "image_unreadable", "nested deeper than 16")
    items = element(0x00081115, b"SQ", struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 150_000, nothing)
    refused(explicit + items, "image_unreadable", "more than 100,000 elements")
    monkeypatch.setattr(elements, "MOST_ELEMENTS", 1000)
    inside = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 1500
    refused(explicit + element(0x00091010, b"UN", inside), "image_unreadable", "more than 1,000 elements")
    tiny = b"".join(struct.pack("<HH2sH", 0x0009, n & 0xFFFF, b"LO", 0) for n in range(1500))
    refused(explicit + tiny, "image_unreadable", "more than 1,000 elements")
    refused(explicit + element(0x00100010, b"PN", b"Doe", 60_000), "image_unreadable", r"\(0010,0010\) .* longer than")
    refused(explicit + element(0x00091010, b"OB", b"", 0xFFFFFFF0), "image_unreadable", "longer than the rest")


def test_large_private_elements_are_skipped() -> None:
    data = part10(dataset(GREY))
    at = data.index(b"\x10\x00\x10\x00PN")
    private = element(0x00091010, b"OB", bytes(8 * MEGABYTE))
    assert np.array_equal(decode(data[:at] + private + data[at:], MAX_PIXELS).pixels, decode(data, MAX_PIXELS).pixels)


def test_pixel_data_missing_or_of_another_kind() -> None:
    bare = dataset(GREY)
    del bare.PixelData
    refused(part10(bare), "dicom_no_picture", "no pixel data")
    for keyword, code in (("Rows", "image_unreadable"), ("BitsAllocated", "image_unreadable")):
        lacking = dataset(GREY)
        del lacking[keyword]
        refused(part10(lacking), code, "missing")
    floating = dataset(GREY)
    del floating.PixelData
    floating.FloatPixelData = bytes(256)
    refused(part10(floating), "image_pixel_format", "floating-point")
    refused(part10(dataset(GREY, PhotometricInterpretation="ARGB")), "image_pixel_format", "ARGB")
    refused(part10(dataset(GREY, SamplesPerPixel=4)), "image_pixel_format", "4 x 8")


@pytest.mark.parametrize("name", ["MR_small_RLE", "JPEG2000", "SC_rgb_jpeg_dcmtk", "MR_small_jpeg_ls_lossless"])
def test_cut_off_anywhere(name: str) -> None:
    """Cut before its pixels the file is refused; after, what a decoder makes of half a codestream is bounded."""
    data = real(f"{name}.dcm")
    start = data.index(b"\xe0\x7f\x10\x00")
    for size in (*range(132, start, 97), start + 4, start + 16):
        with pytest.raises(ImageError):
            inspect(data[:size], MAX_PIXELS)
    for size in range(start + 24, len(data) - 40, max(1, (len(data) - start) // 8)):
        with pytest.raises(ImageError):
            decode(data[:size], MAX_PIXELS)


def test_bits_flipped_anywhere_never_end_in_another_error() -> None:
    random = np.random.default_rng(5)
    for name in ("MR_small_RLE", "MR_small_jp2klossless", "CT_small"):
        data = real(f"{name}.dcm")
        for _ in range(25):
            flipped = bytearray(data)
            for at in random.integers(132, min(len(data), 3000), 3):
                flipped[at] ^= 1 << int(random.integers(8))
            with suppress(SuretyError):
                decode(bytes(flipped), MAX_PIXELS)
