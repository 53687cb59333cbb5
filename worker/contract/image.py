"""What an image file's header says, read without decoding a pixel. The API refuses by it; the worker asks it again."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image, ImageFile, UnidentifiedImageError

from worker.contract.dicom import is_dicom, read_header
from worker.contract.errors import (
    FrameOutOfRange,
    FrameRequired,
    ImageAnimated,
    ImageEmpty,
    ImageFormat,
    ImagePixelFormat,
    ImageTooLarge,
    ImageUnreadable,
)

# Ours is stricter, is an error instead of a warning, and is checked before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
MAGIC = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|II[*+]\0|MM\0[*+]|RIFF....WEBP", re.DOTALL)
MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B"})
POINTER = "/image"
_QUIET = threading.RLock()


class Placement(NamedTuple):
    """Where in a picture of `rows` x `columns` pixels the model's input was cut out, in pixels of that picture."""

    top: int
    left: int
    height: int
    width: int
    rows: int
    columns: int


@dataclass(frozen=True)
class ImageHeader:
    """Format, size in pixels, and Pillow's mode or DICOM's photometric interpretation, as the header claims them."""

    format: str
    width: int
    height: int
    mode: str
    frames: int = 1


def inspect(data: bytes, max_pixels: int) -> ImageHeader:
    """Check the header of an uploaded file. Raises an ImageError that says what to send instead."""
    if is_dicom(data):
        claimed = read_header(data, max_pixels)
        return ImageHeader("DICOM", claimed.columns, claimed.rows, claimed.photometric, claimed.frames)
    with open_image(data) as image:
        header = ImageHeader(str(image.format), image.width, image.height, image.mode)
        # A JPEG with an embedded preview (MPO) is one picture to its owner; only moving or paged files are refused.
        several = bool(getattr(image, "is_animated", False)) and header.format != "MPO"
    if header.width * header.height > max_pixels:
        raise ImageTooLarge(
            f"The header claims {header.width} x {header.height} pixels; the limit is {max_pixels:,} pixels. "
            "Send a smaller image: models take a few hundred pixels a side.",
            pointer=POINTER,
        )
    if several:
        raise ImageAnimated("The file holds several frames or pages; send the one to be explained.", pointer=POINTER)
    if header.mode not in MODES:
        raise ImagePixelFormat(
            f"Pixels of mode {header.mode} (32-bit, signed or Lab) have no agreed range; save the image as grey or RGB "
            "with 8 or 16 bits a channel.",
            pointer=POINTER,
        )
    if header.format in ("JPEG", "MPO"):
        check_scans(data)
    return header


def check_frame(header: ImageHeader, frame: int | None) -> None:
    """Check the spec's choice of a frame, counted from 1. Raises FrameRequired or FrameOutOfRange."""
    if frame is None and header.frames > 1:
        raise FrameRequired(
            f"The file holds {header.frames} frames; say which one is to be explained, from 1 on.",
            pointer="/spec/frame",
        )
    if frame is not None and frame > header.frames:
        raise FrameOutOfRange(f"The file holds {header.frames} frames, counted from 1.", pointer="/spec/frame")


def check_scans(data: bytes) -> None:
    """A progressive JPEG repaints all its pixels with every scan, and a scan may take 50 bytes: hours of decoding."""
    # Chance puts the marker into whatever follows the picture once in 64 KiB, so the limit grows with the file.
    scans, limit = data.count(b"\xff\xda"), 100 + len(data) // 16384
    if scans > limit:
        raise ImageTooLarge(
            f"The JPEG paints its pixels in {scans} scans; the limit is {limit}. Save it again with any program.",
            pointer=POINTER,
        )


def open_image(data: bytes) -> ImageFile.ImageFile:
    """The image, opened lazily: header only. Raises ImageEmpty, ImageFormat or ImageUnreadable."""
    if not data:
        raise ImageEmpty("The image has no bytes; was the file read before it was sent?", pointer=POINTER)
    try:
        with quietly():
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        pass
    # Untrusted files meet dozens of decoder paths; any failure in them is the file's fault, not the service's.
    except Exception as error:
        raise unreadable() from error
    if MAGIC.match(data):
        raise unreadable()
    raise ImageFormat(
        "The content is not PNG, JPEG, TIFF, WebP or DICOM (a Part 10 file), whatever the file's name says.",
        pointer=POINTER,
    )


@contextmanager
def quietly() -> Iterator[None]:
    """Inside, Pillow keeps its opinion on odd files to itself. The filters are the process's: one thread at a time."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def unreadable() -> ImageUnreadable:
    return ImageUnreadable(
        "The file begins like an image but cannot be decoded; it may be cut off, or its pixel format is unusual.",
        pointer=POINTER,
    )
