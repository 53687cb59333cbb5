"""Uploaded bytes -> a float image in [0,1] -> the tensor a model takes, with every step written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor
from torch.nn.functional import interpolate

from worker.contract.errors import ImagePixelFormat, SuretyError
from worker.contract.image import POINTER, Placement, check_frame, inspect, open_image, quietly, unreadable
from worker.contract.model import ModelInput

Pixels = Float[Tensor, "channels height width"]
# Weights of ITU-R BT.601, as Pillow's own conversion to grey uses them.
LUMA = (0.299, 0.587, 0.114)
ORIENTATION, PHOTOMETRIC, WHITE_IS_ZERO = 0x0112, 0x0106, 0
# What brings a picture upright that EXIF says is stored mirrored, upside down or on its side.
TURNS: dict[int, Callable[[Tensor], Tensor]] = {
    2: lambda pixels: pixels.flip(2),
    3: lambda pixels: pixels.flip(1, 2),
    4: lambda pixels: pixels.flip(1),
    5: lambda pixels: pixels.mT,
    6: lambda pixels: pixels.mT.flip(2),
    7: lambda pixels: pixels.flip(1, 2).mT,
    8: lambda pixels: pixels.mT.flip(1),
}


class Decoded(NamedTuple):
    """Pixels in [0,1], one or three channels, what was done to get them, and where in the picture they are."""

    pixels: Pixels
    steps: list[str]
    placement: Placement


def decode(data: bytes, max_pixels: int, frame: int | None = None) -> Decoded:
    """The picture as its owner sees it: turned as EXIF says, palette resolved, transparency over white; of DICOM, frame
    `frame` (counted from 1) as a clinician sees it.

    8 and 16 bit grey keep their precision; 16-bit colour is read at 8 bits a channel, and the steps say so. Raises an
    ImageError for anything that is not one readable still image, a SpecError for a frame that is not there.
    """
    header = inspect(data, max_pixels)
    check_frame(header, frame)
    if header.format == "DICOM":
        return _dicom(data, max_pixels, frame or 1)
    steps = [f"decoded {header.format} {header.width}x{header.height} {header.mode}"]
    # Untrusted files meet dozens of decoder paths; any failure in them is the file's fault, not the service's.
    try:
        with quietly(), open_image(data) as image:
            raw = _raw_mode(image)
            # Pillow turns a TIFF while loading it, and forgets that it did.
            turned = isinstance(image, TiffImageFile) and image.tag_v2.get(ORIENTATION) in TURNS
            image.load()
            turn = TURNS.get(_orientation(image))
            pixels = _grey16(image, raw, steps) if image.mode.startswith("I;16") else _eight_bits(image, raw, steps)
    except Exception as error:
        raise unreadable() from error
    if turned or turn:
        steps.append("turned as EXIF says")
    return whole(turn(pixels).contiguous() if turn else pixels, steps)


def _dicom(data: bytes, max_pixels: int, frame: int) -> Decoded:
    # Pydicom takes its time to import, and who explains a PNG need not wait for it.
    from worker.dicom.view import picture

    # As above: whatever fails in a parser of untrusted bytes is the file's fault.
    try:
        pixels, steps = picture(data, max_pixels, frame)
    except SuretyError:
        raise
    except Exception as error:
        raise unreadable() from error
    return whole(torch.from_numpy(pixels), steps)


def whole(pixels: Pixels, steps: list[str]) -> Decoded:
    """The picture, nothing cut off."""
    rows, columns = pixels.shape[1:]
    return Decoded(pixels, steps, Placement(0, 0, rows, columns, rows, columns))


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """How the file packs its samples, in Pillow's words, for instance `RGB;16B`. Known until the pixels are loaded."""
    arguments = image.tile[0].args if image.tile else ""
    return arguments if isinstance(arguments, str) else str((arguments or ("",))[0])


def _orientation(image: Image.Image) -> int:
    """1 to 8 of a loaded image; 1 also if the metadata are damaged, as every viewer has it."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - a parser of untrusted bytes
        return 1


def _grey16(image: Image.Image, raw: str, steps: list[str]) -> Pixels:
    white = 4095 if raw == "I;12" else 65535
    steps.append(f"{white.bit_length()}-bit grey / {white}")
    values = np.asarray(image).astype(np.float32)
    if "transparency" in image.info:
        steps.append("transparency over white")
        values[values == image.info["transparency"]] = white
    # Pillow inverts such files at 8 bits, but not at 16.
    if isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        steps.append("white is zero: inverted")
        values = white - values
    return torch.from_numpy(values)[None].div_(white)


def _eight_bits(image: Image.Image, raw: str, steps: list[str]) -> Pixels:
    if "16" in raw:
        steps.append("16-bit channels read at 8 bits")
    if image.has_transparency_data:
        steps.append("transparency over white")
        _match_key(image, raw)
        grey = image.mode in ("1", "L", "LA")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L" if grey else "RGB")
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    elif image.mode != "RGB":
        steps.append(f"converted {image.mode} to RGB")
        image = image.convert("RGB")
    steps.append("8-bit / 255")
    pixels = torch.from_numpy(np.array(image)).float().div_(255)
    return pixels[None] if pixels.ndim == 2 else pixels.movedim(-1, 0).contiguous()


def _match_key(image: Image.Image, raw: str) -> None:
    """PNG names its transparent colour at the file's bit depth, Pillow compares it at 8 bits."""
    key = image.info.get("transparency")
    if isinstance(key, int) and raw in ("L;2", "L;4"):
        image.info["transparency"] = key * (85 if raw == "L;2" else 17)
    elif isinstance(key, tuple) and "16" in raw:
        image.info["transparency"] = tuple(part >> 8 for part in key)


def to_input(decoded: Decoded, wanted: ModelInput) -> Decoded:
    """The tensor [channels, height, width] a model takes: channels matched, centre cut out, scaled, clipped to [0,1].

    The centre is cut before scaling, so that a sliver of an image cannot be blown up to gigabytes.
    """
    steps = list(decoded.steps)
    pixels = _channels(decoded.pixels, wanted.channels, steps)
    rows, columns = pixels.shape[1:]
    placement = decoded.placement
    if (rows, columns) != (wanted.height, wanted.width):
        scale = (
            min(rows, columns) / wanted.resize if wanted.resize else min(rows / wanted.height, columns / wanted.width)
        )
        height, width = min(rows, round(wanted.height * scale)), min(columns, round(wanted.width * scale))
        height, width = max(1, height), max(1, width)
        top, left = (rows - height) // 2, (columns - width) // 2
        if (height, width) != (rows, columns):
            steps.append(f"centre {width}x{height} cut out")
        placement = Placement(top, left, height, width, rows, columns)
        pixels = pixels[:, top : top + height, left : left + width]
        size = [wanted.height, wanted.width]
        pixels = interpolate(pixels[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]
        steps.append(f"scaled to {wanted.width}x{wanted.height} (bilinear, antialiased)")
    return Decoded(pixels.clamp(0.0, 1.0).contiguous(), steps, placement)


def _channels(pixels: Pixels, channels: int, steps: list[str]) -> Pixels:
    if len(pixels) == channels:
        return pixels
    if channels == 1:
        steps.append("colour to grey (BT.601)")
        return (pixels * torch.tensor(LUMA)[:, None, None]).sum(dim=0, keepdim=True)
    if channels == 3:
        steps.append("grey repeated to three channels")
        return pixels.expand(3, -1, -1)
    raise ImagePixelFormat(f"The model takes {channels} channels; an image file gives one or three.", pointer=POINTER)
