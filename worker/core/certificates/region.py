"""A region of the image, fixed before sampling: a box, a polygon or a mask; and which cells belong to it."""

from __future__ import annotations

import base64
import binascii
import io
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from PIL import Image
from pydantic import ConfigDict, Field, model_serializer, model_validator

from worker.contract.errors import InvalidSpec
from worker.contract.image import quietly
from worker.contract.spec import Frozen
from worker.core.granularities.base import Layout

Coordinate = Annotated[float, Field(ge=0.0, le=100_000.0)]
Point = tuple[Coordinate, Coordinate]
# A PNG of black and white pixels at the largest input is far below this.
MASK_CHARACTERS = 1 << 20

Pixels = Bool[ndarray, "height width"]


class Region(Frozen):
    """Exactly one of the three. Coordinates are input pixels: x to the right, y down, (0, 0) the outer corner of the
    first pixel, whose centre is (0.5, 0.5); a pixel belongs if its centre does.

    box: [x0, y0, x1, y1]. polygon: its corners in order; what is inside an odd number of times belongs.
    mask_png_base64: a grey or black-and-white PNG of the input's size; whatever is not black belongs.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None = None
    polygon: tuple[Point, ...] | None = Field(default=None, min_length=3, max_length=1024)
    mask_png_base64: str | None = Field(default=None, min_length=1, max_length=MASK_CHARACTERS)

    @model_validator(mode="after")
    def _exactly_one(self) -> Region:
        if sum(part is not None for part in (self.box, self.polygon, self.mask_png_base64)) != 1:
            raise ValueError("give exactly one of box, polygon and mask_png_base64")
        return self

    @model_serializer
    def _as_given(self) -> dict[str, Any]:
        given = {"box": self.box, "polygon": self.polygon, "mask_png_base64": self.mask_png_base64}
        return {name: value for name, value in given.items() if value is not None}


@lru_cache(maxsize=16)
def cells_inside(region: Region, layout: Layout, pointer: str = "") -> Bool[ndarray, " cells"]:
    """Which cells belong: those at whose centre lies a pixel that does, in every layer. Do not write to the result.

    Raises InvalidSpec if the region reaches outside the image, has another size, cannot be read or holds no cell.
    """
    mask = _mask(region, layout.height, layout.width, pointer)
    inside = np.tile(mask[np.ix_(layout.rows, layout.columns)].ravel(), layout.layers)
    if not inside.any():
        raise InvalidSpec("The region holds no cell of the map; make it larger.", pointer=pointer)
    return inside


def _mask(region: Region, height: int, width: int, pointer: str) -> Pixels:
    if region.mask_png_base64 is not None:
        return _decoded(region.mask_png_base64, height, width, f"{pointer}/mask_png_base64")
    if region.box is not None:
        x0, y0, x1, y1 = region.box
        corners: tuple[Point, ...] = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        where = f"{pointer}/box"
        if x0 >= x1 or y0 >= y1:
            raise InvalidSpec("A box is [x0, y0, x1, y1] with x0 < x1 and y0 < y1.", pointer=where)
    else:
        corners, where = region.polygon or (), f"{pointer}/polygon"
    if any(x > width or y > height for x, y in corners):
        raise InvalidSpec(f"The region reaches outside the model's input of {width} x {height} pixels.", pointer=where)
    return _odd_crossings(corners, height, width)


def _odd_crossings(corners: tuple[Point, ...], height: int, width: int) -> Pixels:
    """The pixels from whose centre a ray to the right crosses the outline an odd number of times."""
    y = np.arange(height) + 0.5
    # crossings[row, n]: how many parts of the outline have exactly the first n centres of the row to their left.
    crossings = np.zeros((height, width + 1), dtype=np.int64)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        rows = np.flatnonzero((y0 <= y) != (y1 <= y))
        if len(rows):
            x = x0 + (y[rows] - y0) * (x1 - x0) / (y1 - y0)
            crossings[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)] += 1
    to_the_right = np.cumsum(crossings[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return np.asarray(to_the_right % 2 == 1)


def _decoded(text: str, height: int, width: int, pointer: str) -> Pixels:
    """The pixels of the mask that are not black. Its size is read from the header, before anything is decoded."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSpec("The mask is not base64.", pointer=pointer) from None
    # A damaged PNG meets many errors in the decoder, and every one is the file's fault.
    try:
        with quietly(), Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            size, mode = picture.size, picture.mode
            fits = size == (width, height) and mode in ("1", "L")
            values = np.asarray(picture) if fits else None
    except Exception as error:
        raise InvalidSpec("The mask cannot be read as a PNG.", pointer=pointer) from error
    if values is None:
        raise InvalidSpec(
            f"The mask has {size[0]} x {size[1]} pixels of mode {mode}; it must have the model's input size, "
            f"{width} x {height}, and be grey (8 bits) or black and white.",
            pointer=pointer,
        )
    return np.asarray(values != 0)
