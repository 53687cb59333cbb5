"""What an image file's header says, read without decoding a pixel. The API refuses by it; the worker asks it again."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from worker.contract.errors import ImageAnimated, ImageEmpty, ImageFormat, ImageTooLarge, ImageUnreadable

# Ours is stricter, is an error instead of a warning, and is checked before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"RIFF")
POINTER = "/image"


@dataclass(frozen=True)
class ImageHeader:
    """Format, size in pixels and Pillow's mode, as the header claims them."""

    format: str
    width: int
    height: int
    mode: str


def inspect(data: bytes, max_pixels: int) -> ImageHeader:
    """Check the header of an uploaded file. Raises an ImageError that says what to send instead."""
    with open_image(data) as image:
        header = ImageHeader(str(image.format), image.width, image.height, image.mode)
        # A JPEG with an embedded preview (MPO) is one picture to its owner; only moving or paged files are refused.
        several = bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    if header.width * header.height > max_pixels:
        raise ImageTooLarge(
            f"The header claims {header.width} x {header.height} pixels; the limit is {max_pixels:,} pixels. "
            "Send a smaller image: models take a few hundred pixels a side.",
            pointer=POINTER,
        )
    if several:
        raise ImageAnimated("The file holds several frames or pages; send the one to be explained.", pointer=POINTER)
    return header


def open_image(data: bytes) -> Image.Image:
    """The image, opened lazily: header only. Raises ImageEmpty, ImageFormat or ImageUnreadable."""
    if not data:
        raise ImageEmpty("The image has no bytes; was the file read before it was sent?", pointer=POINTER)
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        pass
    except Exception as error:
        raise unreadable() from error
    if data.startswith(MAGIC):
        raise unreadable()
    hint = " DICOM is not read by this version." if data[128:132] == b"DICM" else ""
    raise ImageFormat(
        f"The content is not PNG, JPEG, TIFF or WebP, whatever the file's name says.{hint}", pointer=POINTER
    )


def unreadable() -> ImageUnreadable:
    return ImageUnreadable("The file begins like an image but cannot be decoded; it may be cut off.", pointer=POINTER)
