"""Whatever is sent as an image is decoded or refused with an ImageError: at once, no warning, in little memory."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from tests.images.files import (
    GREY,
    MAX_PIXELS,
    RGB,
    chunk,
    encode,
    jpeg_claiming,
    png,
    samples,
    smooth,
    tiff,
    webp,
)
from worker.contract.errors import (
    ImageAnimated,
    ImageEmpty,
    ImageError,
    ImageFormat,
    ImagePixelFormat,
    ImageTooLarge,
    ImageUnreadable,
    leaves,
)
from worker.contract.image import inspect
from worker.service.images import decode

SAMPLES = samples()
FRAMES = [Image.fromarray(np.roll(smooth(16, 16), shift, axis=0)) for shift in range(12)]
FILM = {"save_all": True, "append_images": FRAMES[1:]}


def refusal(data: bytes, *, at_post: bool = True) -> ImageError:
    """The error of both doors, or of the worker's alone; each opens within a second."""
    for door in (inspect, decode) if at_post else (decode,):
        started = time.monotonic()
        with pytest.raises(ImageError) as caught:
            door(data, MAX_PIXELS)
        assert time.monotonic() - started < 1.0
    assert caught.value.pointer == "/image" and type(caught.value) in leaves(ImageError)
    return caught.value


def outcome(data: bytes) -> Tensor | ImageError:
    """What the worker makes of it: pixels or one of the named errors; anything else is raised."""
    try:
        return decode(data, MAX_PIXELS).pixels
    except ImageError as refused:
        error = refused
    assert type(error) in leaves(ImageError) and error.detail and error.pointer == "/image"
    return error


def test_no_bytes() -> None:
    assert type(refusal(b"")) is ImageEmpty


@pytest.mark.parametrize(
    "data",
    [
        b"This is a text, renamed.\n" * 20,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n" + bytes(100),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n",
        b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
        b"\0",
        b"\x89PNG",
        *(encode(smooth(16, 16), kind) for kind in ("GIF", "BMP", "ICO", "PPM", "TGA")),
        encode(FRAMES[0], "GIF", **FILM),
    ],
    ids=["text", "svg", "pdf", "eps", "wav", "zero", "four-bytes", "gif", "bmp", "ico", "ppm", "tga", "gif-film"],
)
def test_other_formats(data: bytes) -> None:
    error = refusal(data)
    assert type(error) is ImageFormat and "PNG, JPEG, TIFF, WebP or DICOM" in error.detail


def test_dicom_is_named() -> None:
    assert "DICOM" in refusal(bytes(128) + b"DICM" + bytes(64)).detail


@pytest.mark.parametrize("name", SAMPLES)
def test_cut_off_anywhere(name: str) -> None:
    """What decodes all the same has lost a trailer, and not one pixel."""
    data = SAMPLES[name]
    whole = decode(data, MAX_PIXELS).pixels
    for size in sorted({*range(1, 64), *(len(data) * part // 24 for part in range(1, 24)), *range(-12, 0)}):
        cut = data[:size]
        found = outcome(cut)
        assert isinstance(found, ImageError) or torch.equal(found, whole), f"{len(data) - size} bytes short"
    assert type(refusal(data[: len(data) // 2], at_post=False)) is ImageUnreadable


@pytest.mark.parametrize("name", ["png-grey", "jpeg-rgb", "tiff-grey", "webp"])
def test_cut_in_the_header_is_seen_at_the_post(name: str) -> None:
    assert type(refusal(SAMPLES[name][:24])) is ImageUnreadable


BOMBS = {
    "png": png(30_000, 30_000, 8, RGB, [bytes(100)]),
    "png-most": png(2**31 - 1, 2**31 - 1, 1, GREY, [b""]),
    "tiff": tiff(30_000, 30_000, b"abc", {}),
    "tiff-most": tiff(2**32 - 1, 2**32 - 1, b"abc", {}),
    "jpeg": jpeg_claiming(65_500, 65_500),
    "webp": webp([(b"VP8L", b"\x2f" + struct.pack("<I", 16383 | 16383 << 14) + bytes(60))]),
    "webp-film": webp(
        [
            (b"VP8X", bytes([2, 0, 0, 0]) + b"\xff\xff\xff\xfe\0\0"),
            (b"ANIM", bytes(6)),
            (b"ANMF", bytes(16) + b"VP8L" + struct.pack("<I", 14) + b"\x2f" + bytes(13)),
        ]
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_decompression_bomb(name: str) -> None:
    assert len(BOMBS[name]) < 2000
    error = refusal(BOMBS[name])
    assert type(error) is ImageTooLarge and f"{MAX_PIXELS:,}" in error.detail


def test_the_limit_itself_is_allowed() -> None:
    data = encode(np.zeros((8, 8), np.uint8), "PNG")
    assert decode(data, 64).pixels.shape == (1, 8, 8)
    with pytest.raises(ImageTooLarge):
        inspect(data, 63)


def test_hostile_files_cost_little_memory() -> None:
    """All of the bombs and the padded files, in a process of its own whose growth is measured."""
    padded = [_png_with(b"zTXt", b"k\0\0"), _png_with(b"iCCP", b"k\0\0"), _greedy_tiff()]
    code = (
        "import resource, sys, pickle\n"
        "from worker.contract.errors import ImageError\n"
        "from worker.contract.image import inspect\n"
        "files = pickle.load(sys.stdin.buffer)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for data in files:\n"
        "    try: inspect(data, 64_000_000)\n"
        "    except ImageError as error: print(error.code)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=pickle.dumps([*BOMBS.values(), *padded]),
        capture_output=True,
        check=True,
        timeout=60,
    )
    *_, grown = done.stdout.split()
    assert int(grown) < 64 * 1024, "kilobytes"


def _png_with(name: bytes, head: bytes) -> bytes:
    return png(2, 1, 8, GREY, [b"ab"], (name, head + zlib.compress(bytes(200_000_000), 9)))


def _greedy_tiff() -> bytes:
    """A thousand tags that all claim the same megabyte: a gigabyte, for whoever reads them."""
    count, size = 1000, 1_000_000
    entries = b"".join(struct.pack("<HHII", 40_000 + tag, 1, size, 8) for tag in range(count))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", count) + entries + bytes(size)


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP", b"iTXt"])
def test_padded_metadata_are_not_unpacked(name: bytes) -> None:
    head = b"k\0\1\0\0\0" if name == b"iTXt" else b"k\0\0"
    data = _png_with(name, head)
    started = time.monotonic()
    found = outcome(data)
    assert isinstance(found, ImageUnreadable) or found.shape == (1, 1, 2)
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize(
    "data",
    [
        encode(FRAMES[0], "PNG", **FILM),
        encode(FRAMES[0], "WEBP", **FILM),
        encode(FRAMES[0], "TIFF", **FILM),
        encode(FRAMES[0], "TIFF", compression="tiff_lzw", **FILM),
    ],
    ids=["apng", "webp", "tiff", "tiff-lzw"],
)
def test_several_frames(data: bytes) -> None:
    assert type(refusal(data)) is ImageAnimated


def test_a_hundred_thousand_pages_are_not_counted() -> None:
    page = tiff(1, 1, b"a", {})
    pages = bytearray()
    for number in range(100_000):
        moved = bytearray(page[8:])
        start = 8 + number * len(moved)
        struct.pack_into("<I", moved, len(moved) - 5, start + len(moved))
        pages += moved
    assert type(refusal(page[:8] + bytes(pages))) is ImageAnimated


@pytest.mark.parametrize(
    "pixels",
    [
        encode(Image.new("I", (4, 4), 70_000), "TIFF"),
        encode(Image.new("F", (4, 4), 0.5), "TIFF"),
        tiff(2, 1, bytes(4), {258: 16, 339: 2}),
        tiff(1, 1, bytes(3), {258: 8, 262: 8, 277: 3}),
    ],
    ids=["int32", "float32", "int16-signed", "lab"],
)
def test_pixels_without_an_agreed_range_are_refused_by_the_header(pixels: bytes) -> None:
    error = refusal(pixels)
    assert type(error) in (ImagePixelFormat, ImageUnreadable)
    if type(error) is ImagePixelFormat:
        assert "8 or 16 bits" in error.detail


def test_a_jpeg_of_endless_scans() -> None:
    """Fifty bytes a scan, and each repaints every pixel: a file of this kind could keep a worker busy for hours."""
    data = encode(np.zeros((512, 512), np.uint8), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xc4") : -2]
    error = refusal(data[:-2] + last * 5000 + data[-2:])
    assert type(error) is ImageTooLarge and "scans" in error.detail
    decode(data[:-2] + last * 50 + data[-2:], MAX_PIXELS)


def test_a_repeated_header_and_chunks_of_lies() -> None:
    head = struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n"
    for data in (
        start + chunk(b"IHDR", head) * 2,
        start + chunk(b"IHDR", head[:5]),
        start + struct.pack(">I", 2**31 - 1) + b"IHDR" + head,
        start + chunk(b"IHDR", head) + struct.pack(">I", 2**31) + b"IDAT" + bytes(50),
        start + chunk(b"IHDR", head) + chunk(b"IDAT", b"\xff" * 50) + chunk(b"IEND", b""),
        start
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 0, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", b"")
        + chunk(b"IEND", b""),
        start + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 7, 9, 0, 0, 0)),
    ):
        assert type(refusal(data, at_post=False)) in (ImageUnreadable, ImageFormat)


def _survives(data: bytes) -> None:
    started = time.monotonic()
    found = outcome(data)
    if isinstance(found, Tensor):
        assert found.dtype == torch.float32 and found.ndim == 3 and len(found) in (1, 3)
        assert found.isfinite().all() and found.min() >= 0 and found.max() <= 1
    assert time.monotonic() - started < 10.0  # a mutated size may be large and allowed


@settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(sorted(SAMPLES)),
    edits=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 40),
)
def test_mutated_files(name: str, edits: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(SAMPLES[name])
    for place, value in edits:
        data[place % len(data)] = value
    _survives(bytes(data[: len(data) - cut if cut < 20 else len(data)]))


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from([name for name in sorted(SAMPLES) if "tiff" not in name]),
    place=st.integers(0, 200),
    junk=st.binary(min_size=1, max_size=12),
)
def test_spliced_headers(name: str, place: int, junk: bytes) -> None:
    data = SAMPLES[name]
    _survives(data[:place] + junk + data[place:])


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0*", b"II+\0", b"RIFF"]),
    rest=st.binary(max_size=300),
)
def test_bytes_from_nowhere(start: bytes, rest: bytes) -> None:
    _survives(start + rest)
