"""Image files for the tests: encoded by Pillow, or byte by byte where Pillow would not write such a thing."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_PIXELS = 64_000_000
ORIENTATION = 0x0112
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """A colour picture without sharp edges."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [np.sin(x / 19 + 1), np.cos(y / 23), np.sin((x + y) / 29)]
    return np.round(127.5 * (1 + np.stack(planes, axis=-1))).astype(np.uint8)


def encode(pixels: NDArray[np.generic] | Image.Image, kind: str, **options: object) -> bytes:
    """The file that Pillow writes."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[ORIENTATION] = orientation
    return found


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, rows: list[bytes], *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of packed rows, with `extra` chunks before the pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), *extra, (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in chunks)


def tiff(width: int, height: int, strip: bytes, tags: dict[int, int], order: str = "<") -> bytes:
    """An uncompressed TIFF of one strip; `tags` are SHORTs that replace or join the usual ones (8-bit grey)."""
    entries = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: height, 279: len(strip)} | tags
    start = 8 + 2 + 12 * len(entries) + 4
    entries[273] = start
    directory = struct.pack(order + "H", len(entries))
    for tag, value in sorted(entries.items()):
        long = tag in (256, 257, 273, 278, 279)
        directory += struct.pack(order + "HHI", tag, 4 if long else 3, 1)
        directory += struct.pack(order + ("I" if long else "HH"), *([value] if long else [value, 0]))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", 8) + directory + struct.pack(order + "I", 0) + strip


def webp(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A WebP container of these chunks."""
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_claiming(width: int, height: int) -> bytes:
    """A small JPEG whose frame header says another size."""
    data = bytearray(encode(smooth(16, 16), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def samples() -> dict[str, bytes]:
    """One small valid file of each kind that must be read."""
    colour = smooth(12, 10)
    grey = colour[..., 0]
    deep = grey.astype(np.uint16) * 257
    alpha = np.dstack([colour, grey])
    palette = Image.fromarray(colour).quantize(16)
    return {
        "png-grey": encode(grey, "PNG"),
        "png-16": encode(deep, "PNG"),
        "png-rgb": encode(colour, "PNG"),
        "png-rgba": encode(alpha, "PNG", exif=exif(6)),
        "png-la": encode(Image.fromarray(alpha).convert("LA"), "PNG"),
        "png-1": encode(Image.fromarray(grey).convert("1"), "PNG"),
        "png-palette": encode(palette, "PNG"),
        "png-palette-clear": encode(palette, "PNG", transparency=3),
        "jpeg-grey": encode(grey, "JPEG"),
        "jpeg-rgb": encode(colour, "JPEG", exif=exif(3)),
        "jpeg-cmyk": encode(Image.fromarray(colour).convert("CMYK"), "JPEG"),
        "jpeg-progressive": encode(colour, "JPEG", progressive=True),
        "tiff-grey": encode(grey, "TIFF", exif=exif(6)),
        "tiff-16": encode(deep, "TIFF"),
        "tiff-big-endian": tiff(10, 12, deep.astype(">u2").tobytes(), {258: 16}, ">"),
        "tiff-lzw": encode(colour, "TIFF", compression="tiff_lzw"),
        "tiff-deflate": encode(colour, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-jpeg": encode(colour, "TIFF", compression="jpeg"),
        "tiff-group4": encode(Image.fromarray(grey).convert("1"), "TIFF", compression="group4"),
        "tiff-big": encode(colour, "TIFF", big_tiff=True),
        "webp": encode(colour, "WEBP", exif=exif(8)),
        "webp-lossless": encode(alpha, "WEBP", lossless=True),
    }
