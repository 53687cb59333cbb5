"""Files that somebody might send to break a decoder, by name, each with what must become of it.

`decoded`, or the code of the error that it is refused with. The pixel limit for them is CORPUS_PIXELS.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from tests.images.files import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    chunk,
    encode,
    jpeg_claiming,
    png,
    samples,
    smooth,
    tiff,
    webp,
)

CORPUS_PIXELS = 1_000_000
FORMAT, DAMAGED, LARGE, MODE, FILM = (
    *("image_format", "image_unreadable", "image_too_large", "image_pixel_format", "image_animated"),
)
OK = "decoded"
PNG_START = b"\x89PNG\r\n\x1a\n"
File = tuple[bytes, str]


def corpus() -> dict[str, File]:
    """All of them; more than sixty."""
    return {**_cut(), **_lies(), **_bombs(), **_polyglots(), **_odd_pixels(), **_odd_metadata()}


def _head(width: int, height: int, depth: int = 8, colour: int = GREY, more: bytes = b"\0\0\0") -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, colour) + more)


def _cut() -> dict[str, File]:
    """Ended too early: in the signature, in the header, in the pixels."""
    known = samples()
    found: dict[str, File] = {"empty": (b"", "image_empty")}
    for name in ("png-rgb", "png-16", "jpeg-rgb", "jpeg-progressive", "jpeg-cmyk", "tiff-lzw", "tiff-jpeg", "webp"):
        data = known[name]
        found[f"cut-head-{name}"] = (data[:20], DAMAGED)
        found[f"cut-half-{name}"] = (data[: len(data) // 2], DAMAGED)
    for name in ("png-rgb", "jpeg-rgb", "tiff-grey", "webp"):
        found[f"cut-signature-{name}"] = (known[name][:3], DAMAGED if name == "jpeg-rgb" else FORMAT)
        found[f"zeros-after-signature-{name}"] = (known[name][:16] + bytes(400), DAMAGED)
    return found


def _lies() -> dict[str, File]:
    """Headers that say something else than what follows."""
    rows = [bytes(8)] * 8
    tall = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b"")
    wrong_sum = bytearray(png(8, 8, 8, GREY, rows))
    wrong_sum[30] ^= 1
    return {
        # Pillow shows missing rows as black, and what a JPEG lacks as grey, as viewers do.
        "png-taller-than-its-rows": (PNG_START + _head(8, 900) + tall, OK),
        "png-wider-than-its-rows": (PNG_START + _head(900, 8) + tall, DAMAGED),
        "png-row-missing": (png(8, 8, 8, GREY, rows[:-1]), OK),
        "png-wrong-checksum": (bytes(wrong_sum), DAMAGED),
        "png-zero-width": (PNG_START + _head(0, 8) + tall, DAMAGED),
        "png-zero-height": (PNG_START + _head(8, 0) + tall, DAMAGED),
        "png-depth-seven": (PNG_START + _head(8, 8, depth=7) + tall, DAMAGED),
        "png-colour-nine": (PNG_START + _head(8, 8, colour=9) + tall, DAMAGED),
        "png-rgb-of-depth-four": (PNG_START + _head(8, 8, depth=4, colour=RGB) + tall, DAMAGED),
        "png-unknown-compression": (PNG_START + _head(8, 8, more=b"\7\0\0") + tall, OK),
        "png-without-pixels": (PNG_START + _head(8, 8) + chunk(b"IEND", b""), DAMAGED),
        "png-without-header": (PNG_START + tall, DAMAGED),
        "png-chunk-of-two-gigabytes": (PNG_START + _head(8, 8) + struct.pack(">I", 2**31 - 1) + b"IDAT", DAMAGED),
        "png-pixels-not-deflate": (PNG_START + _head(8, 8) + chunk(b"IDAT", b"\xff" * 60), DAMAGED),
        "jpeg-claims-more": (jpeg_claiming(900, 900), OK),
        "jpeg-claims-nothing": (jpeg_claiming(0, 0), DAMAGED),
        "jpeg-two-starts": (samples()["jpeg-rgb"][:2] * 2 + samples()["jpeg-rgb"][2:], DAMAGED),
        "jpeg-only-markers": (b"\xff\xd8\xff\xe0" + b"\xff\xd9" * 200, DAMAGED),
        "tiff-strip-far-away": (_patched_tiff(273, 2**31), DAMAGED),
        "tiff-strip-of-gigabytes": (_patched_tiff(279, 2**31), OK),
        "tiff-no-rows-a-strip": (_patched_tiff(278, 0), DAMAGED),
        "tiff-directory-is-itself": (b"II*\0" + struct.pack("<I", 0) + bytes(40), DAMAGED),
        "tiff-directory-far-away": (b"II*\0" + struct.pack("<I", 2**32 - 9) + bytes(40), DAMAGED),
        "tiff-unknown-compression": (tiff(4, 4, bytes(16), {259: 31337}), DAMAGED),
        "tiff-endless-directories": (_looped_tiff(), OK),
        "tiff-negative-depth": (tiff(4, 4, bytes(16), {258: 65535}), DAMAGED),
        "webp-size-too-large": (samples()["webp"][:4] + struct.pack("<I", 2**32 - 1) + samples()["webp"][8:], DAMAGED),
        "webp-size-zero": (samples()["webp"][:4] + bytes(4) + samples()["webp"][8:], DAMAGED),
        "webp-empty": (webp([]), DAMAGED),
        "webp-junk-inside": (webp([(b"VP8 ", b"\xff" * 60)]), DAMAGED),
    }


def _patched_tiff(tag: int, value: int) -> bytes:
    data = bytearray(tiff(4, 4, bytes(16), {}))
    at = data.index(struct.pack("<HH", tag, 4))
    data[at + 8 : at + 12] = struct.pack("<I", value)
    return bytes(data)


def _looped_tiff() -> bytes:
    """The next directory is the first one."""
    data = bytearray(tiff(4, 4, bytes(16), {}))
    at = 8 + 2 + 12 * struct.unpack_from("<H", data, 8)[0]
    data[at : at + 4] = struct.pack("<I", 8)
    return bytes(data)


def _bombs() -> dict[str, File]:
    """Small files that would fill the memory, or keep a processor busy."""
    zeros = zlib.compress(bytes(50_000_000), 9)
    slow = encode(np.zeros((64, 64), np.uint8), "JPEG", progressive=True)
    scan = slow[slow.rindex(b"\xff\xc4") : -2]
    return {
        "bomb-png": (png(30_000, 30_000, 8, RGB, [bytes(100)]), LARGE),
        "bomb-png-one-row": (png(2**31 - 1, 1, 1, GREY, [b""]), LARGE),
        "bomb-png-one-over": (png(1000, 1001, 1, GREY, [bytes(125)]), LARGE),
        "bomb-png-pixels": (PNG_START + _head(8, 8) + chunk(b"IDAT", zeros) + chunk(b"IEND", b""), OK),
        "bomb-png-text": (png(2, 1, 8, GREY, [b"ab"], (b"zTXt", b"k\0\0" + zeros)), DAMAGED),
        "bomb-png-profile": (png(2, 1, 8, GREY, [b"ab"], (b"iCCP", b"k\0\0" + zeros)), DAMAGED),
        "bomb-jpeg": (jpeg_claiming(65_500, 65_500), LARGE),
        "bomb-jpeg-scans": (slow[:-2] + scan * 3000 + slow[-2:], LARGE),
        "bomb-tiff": (tiff(2**32 - 1, 2**32 - 1, b"abc", {}), LARGE),
        "bomb-tiff-samples": (tiff(900, 900, b"abc", {277: 65535}), DAMAGED),
        "bomb-webp": (webp([(b"VP8L", b"\x2f" + struct.pack("<I", 16383 | 16383 << 14) + bytes(60))]), LARGE),
        "film-apng": (encode(_frames()[0], "PNG", save_all=True, append_images=_frames()[1:]), FILM),
        "film-webp": (encode(_frames()[0], "WEBP", save_all=True, append_images=_frames()[1:]), FILM),
        "film-tiff": (encode(_frames()[0], "TIFF", save_all=True, append_images=_frames()[1:]), FILM),
    }


def _frames() -> list[Image.Image]:
    return [Image.fromarray(np.roll(smooth(16, 16), shift, axis=0)) for shift in range(3)]


def _polyglots() -> dict[str, File]:
    """Two formats in one file, or another format altogether."""
    picture, photo = samples()["png-rgb"], samples()["jpeg-rgb"]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("__main__.py", "print('run')")
    packed = file.getvalue()
    page = b"<html><script>alert(1)</script></html>"
    return {
        "png-and-zip": (picture + packed, OK),
        "jpeg-and-zip": (photo + packed, OK),
        "png-and-html": (picture + page, OK),
        "jpeg-with-html-in-its-comment": (
            photo[:2] + b"\xff\xfe" + struct.pack(">H", len(page) + 2) + page + photo[2:],
            OK,
        ),
        "html-and-png": (page + picture, FORMAT),
        "gif-and-png": (encode(smooth(8, 8), "GIF") + picture, FORMAT),
        "pdf-and-jpeg": (b"%PDF-1.7\n" + photo, FORMAT),
        "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", FORMAT),
        "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", FORMAT),
        "bmp": (encode(smooth(8, 8), "BMP"), FORMAT),
        "ico": (encode(smooth(16, 16), "ICO"), FORMAT),
        "dicom": (bytes(128) + b"DICM" + bytes(64), DAMAGED),
        "pickle": (b"\x80\x04\x95\x1b\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.", FORMAT),
        "numpy-with-objects": (
            b"\x93NUMPY\x01\0" + b"v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
            FORMAT,
        ),
        "wav": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), FORMAT),
        "shell": (b"#!/bin/sh\nrm -rf ~\n", FORMAT),
    }


def _odd_pixels() -> dict[str, File]:
    """Deep palettes, 16 bits, CMYK and what else is rare: read as it should be, or refused by name."""
    colour = smooth(8, 8)
    grey, row = colour[..., 0], bytes(range(8))
    entries = bytes(range(256)) * 3
    cmyk = Image.fromarray(colour).convert("CMYK")
    return {
        "palette-of-256": (png(8, 8, 8, PALETTE, [row] * 8, (b"PLTE", entries)), OK),
        "palette-too-long": (png(8, 8, 8, PALETTE, [row] * 8, (b"PLTE", entries + bytes(300))), DAMAGED),
        "palette-too-short": (png(8, 8, 8, PALETTE, [row] * 8, (b"PLTE", bytes(6))), OK),
        "palette-missing": (png(8, 8, 8, PALETTE, [row] * 8), DAMAGED),
        "palette-not-of-threes": (png(8, 8, 8, PALETTE, [row] * 8, (b"PLTE", bytes(7))), OK),
        "palette-clear-too-long": (
            png(8, 8, 8, PALETTE, [row] * 8, (b"PLTE", entries), (b"tRNS", bytes(999))),
            DAMAGED,
        ),
        "palette-one-bit": (png(8, 8, 1, PALETTE, [b"\xaa"] * 8, (b"PLTE", bytes(6))), OK),
        "png-16-bit-rgb": (png(8, 8, 16, RGB, [bytes(48)] * 8), OK),
        "png-16-bit-rgba": (png(8, 8, 16, RGBA, [bytes(64)] * 8), OK),
        "png-16-bit-grey-alpha": (png(8, 8, 16, GREY_ALPHA, [bytes(32)] * 8), OK),
        "png-two-bit-grey": (png(8, 8, 2, GREY, [bytes(2)] * 8), OK),
        "png-clear-16-bit": (png(8, 8, 16, GREY, [bytes(16)] * 8, (b"tRNS", b"\0\1")), OK),
        "jpeg-cmyk": (encode(cmyk, "JPEG"), OK),
        "jpeg-cmyk-as-rgb": (encode(cmyk, "JPEG").replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\1"), OK),
        "tiff-cmyk": (encode(cmyk, "TIFF"), OK),
        "tiff-16-bit-white-is-zero": (tiff(8, 8, bytes(128), {258: 16, 262: 0}), OK),
        "tiff-signed": (tiff(2, 1, bytes(4), {258: 16, 339: 2}), MODE),
        "tiff-float": (encode(Image.new("F", (4, 4), float("nan")), "TIFF"), MODE),
        "tiff-32-bit": (encode(Image.new("I", (4, 4), 70_000), "TIFF"), MODE),
        "tiff-lab": (encode(Image.fromarray(colour).convert("LAB"), "TIFF"), MODE),
        "tiff-twelve-bits": (tiff(4, 4, bytes(24), {258: 12}), OK),
        "one-pixel": (encode(grey[:1, :1], "PNG"), OK),
        "one-row-of-a-million": (encode(np.zeros((1, 65_000), np.uint8), "PNG"), OK),
    }


def _odd_metadata() -> dict[str, File]:
    """Exif, text and profiles full of nonsense must not stand in the way of the pixels, nor reach a log."""
    colour = smooth(8, 8)
    return {
        "exif-turn-of-99": (encode(colour, "JPEG", exif=_exif(99)), OK),
        "exif-turn-of-text": (
            encode(colour, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\2\0\4\0\0\0abc\0"),
            OK,
        ),
        "exif-cut": (encode(colour, "JPEG", exif=b"Exif\0\0II*\0\x08\0"), OK),
        "exif-junk": (encode(colour, "PNG", exif=b"Exif\0\0" + b"\xff" * 90), OK),
        "exif-points-at-itself": (
            encode(colour, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + b"\x01\0i\x87\4\0\1\0\0\0\x08\0\0\0"),
            OK,
        ),
        "profile-junk": (encode(colour, "JPEG", icc_profile=b"\xff" * 500), OK),
        "text-without-end": (png(8, 8, 8, GREY, [bytes(8)] * 8, (b"tEXt", b"x" * 5000)), OK),
        "resolution-zero": (png(8, 8, 8, GREY, [bytes(8)] * 8, (b"pHYs", bytes(9))), OK),
        "xmp-with-entities": (encode(colour, "WEBP", xmp=b'<!DOCTYPE a [<!ENTITY b "&b;&b;">]><a>&b;</a>'), OK),
    }


def _exif(turn: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = turn
    return found
