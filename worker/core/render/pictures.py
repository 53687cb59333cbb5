"""Heat map, overlay and certified map as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8, UInt16
from numpy import ndarray
from PIL import Image

# Pictures smaller than this are enlarged by whole factors, so that cells stay squares.
READABLE = 384
# Colours that stay apart for colour-blind eyes and in print (Okabe and Ito): further radii are darker.
SALIENT = np.array([[253, 231, 150], [240, 160, 40], [213, 94, 0], [140, 40, 0]], dtype=np.float64)
NOT_SALIENT = np.array([0.0, 90.0, 160.0])

Gray = Float[ndarray, "height width"]
Pixels = Float[ndarray, "channels height width"]
Rgb = UInt8[ndarray, "height width 3"]


def heatmap(values: Gray) -> tuple[bytes, float, float]:
    """A 16-bit grey PNG and the range it spans: value = low + pixel / 65535 * (high - low), to half a step."""
    low, high = float(values.min()), float(values.max())
    scaled: UInt16[ndarray, "height width"] = np.rint((values - low) / ((high - low) or 1.0) * 65535).astype(np.uint16)
    return _png(Image.fromarray(scaled)), low, high


def received(image: Pixels) -> bytes:
    """The image as the model receives it, in 8 bits: grey, or the first three channels as red, green, blue."""
    colours = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    return _picture(colours.transpose(1, 2, 0) * 255)


def overlay(image: Pixels, values: Gray, palette: str) -> bytes:
    """The map in colour over the image in grey; the palest cells let the image through."""
    colour, weight = tint(values, palette)
    return _picture((1 - weight) * _gray(image) + weight * colour)


def tint(values: Gray, palette: str) -> tuple[Float[ndarray, "height width 3"], Float[ndarray, "height width 1"]]:
    """The colours of an overlay, 0 to 255, and how much of each pixel they take."""
    share = (values - values.min()) / (float(values.max() - values.min()) or 1.0)
    return matplotlib.colormaps[palette](share)[..., :3] * 255, 0.15 + 0.6 * share[..., None]


def certified(image: Pixels, salient: Gray, not_salient: Gray, radii: Sequence[float]) -> bytes:
    """Certified-salient cells in orange, darker for each further radius that still holds them; cells certified not
    salient at the least radius in blue; the rest, on which nothing is claimed, as the grey image."""
    base = _gray(image)
    picture = base.copy()
    ordered = sorted(radii)
    picture = _paint(picture, not_salient > ordered[0], NOT_SALIENT, 0.35)
    shades = np.linspace(0, len(SALIENT) - 1, num=len(ordered)) if len(ordered) > 1 else np.array([2.0])
    for rho, shade in zip(ordered, shades, strict=True):
        picture = _paint(picture, salient > rho, SALIENT[int(shade)], 0.9, under=base)
    return _picture(picture)


def _paint(
    picture: ndarray, where: ndarray, colour: ndarray, weight: float, *, under: ndarray | None = None
) -> Float[ndarray, "height width 3"]:
    base = picture if under is None else under
    return np.where(where[..., None], (1 - weight) * base + weight * colour, picture)


def _gray(image: Pixels) -> Float[ndarray, "height width 3"]:
    return np.repeat(np.clip(image.mean(axis=0), 0.0, 1.0)[..., None] * 255, 3, axis=2)


def _picture(colours: Float[ndarray, "height width 3"]) -> bytes:
    pixels: Rgb = np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
    factor = max(1, READABLE // max(pixels.shape[:2]))
    return _png(Image.fromarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1)))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=False)
    return buffer.getvalue()
