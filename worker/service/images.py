"""Uploaded bytes -> a float image in [0,1] -> the tensor a model takes, with every step written down."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from worker.contract.errors import ImagePixelFormat
from worker.contract.image import POINTER, inspect, open_image, unreadable
from worker.contract.model import ModelInput

Pixels = Float[Tensor, "channels height width"]
# Weights of ITU-R BT.601, as Pillow's own conversion to grey uses them.
LUMA = (0.299, 0.587, 0.114)


class Decoded(NamedTuple):
    """Pixels in [0,1], one or three channels, and what was done to get them."""

    pixels: Pixels
    steps: list[str]


def decode(data: bytes, max_pixels: int) -> Decoded:
    """The picture as its owner sees it: turned as EXIF says, palette resolved, transparency over white.

    8 and 16 bit grey keep their precision; other depths are read as Pillow reads them, at 8 bits a channel. Raises an
    ImageError for anything that is not one readable still image.
    """
    header = inspect(data, max_pixels)
    steps = [f"decoded {header.format} {header.width}x{header.height} {header.mode}"]
    # Untrusted files meet dozens of decoder paths; any failure in them is the file's fault, not the service's.
    try:
        with warnings.catch_warnings(), open_image(data) as image:
            warnings.simplefilter("ignore")
            image.load()
            turned = ImageOps.exif_transpose(image)
            if turned.size != image.size or image.getexif().get(0x0112, 1) != 1:
                steps.append("turned as EXIF says")
            return Decoded(_to_unit(turned, steps), steps)
    except ImagePixelFormat:
        raise
    except Exception as error:
        raise unreadable() from error


def _to_unit(image: Image.Image, steps: list[str]) -> Pixels:
    if image.mode.startswith("I;16"):
        steps.append("16-bit grey / 65535")
        return torch.from_numpy(np.asarray(image).astype(np.float32) / 65535)[None]
    if image.mode in ("I", "F"):
        raise ImagePixelFormat(
            f"32-bit pixels (mode {image.mode}) have no agreed range; save the image with 8 or 16 bits a channel.",
            pointer=POINTER,
        )
    if image.has_transparency_data:
        steps.append("transparency over white")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    elif image.mode != "RGB":
        steps.append(f"converted {image.mode} to RGB")
        image = image.convert("RGB")
    steps.append("8-bit / 255")
    pixels = torch.from_numpy(np.array(image)).float() / 255
    return pixels[None] if pixels.ndim == 2 else pixels.movedim(-1, 0).contiguous()


def to_input(decoded: Decoded, wanted: ModelInput) -> Decoded:
    """The tensor [channels, height, width] a model takes: channels matched, centre cut out, scaled, clipped to [0,1].

    The centre is cut before scaling, so that a sliver of an image cannot be blown up to gigabytes.
    """
    steps = list(decoded.steps)
    pixels = _channels(decoded.pixels, wanted.channels, steps)
    rows, columns = pixels.shape[1:]
    if (rows, columns) != (wanted.height, wanted.width):
        scale = (
            min(rows, columns) / wanted.resize if wanted.resize else min(rows / wanted.height, columns / wanted.width)
        )
        height, width = min(rows, round(wanted.height * scale)), min(columns, round(wanted.width * scale))
        height, width = max(1, height), max(1, width)
        top, left = (rows - height) // 2, (columns - width) // 2
        if (height, width) != (rows, columns):
            steps.append(f"centre {width}x{height} cut out")
        pixels = pixels[:, top : top + height, left : left + width]
        size = [wanted.height, wanted.width]
        pixels = interpolate(pixels[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]
        steps.append(f"scaled to {wanted.width}x{wanted.height} (bilinear, antialiased)")
    return Decoded(pixels.clamp(0.0, 1.0).contiguous(), steps)


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
