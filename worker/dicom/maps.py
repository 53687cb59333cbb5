"""What was found, pixel by pixel, brought from the model's input to the frame it was cut out of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8
from numpy import ndarray

from worker.contract.image import Placement

Grid = Float[ndarray, "height width"]


class Maps(NamedTuple):
    """The mean map, and how far each pixel is certified to be among the `size` most salient cells, or not among them.

    All of the size of the model's input; how far is an l2 radius in [0,1] pixel units.
    """

    mean: Grid
    salient: Grid
    not_salient: Grid
    size: int


def on_frame(
    values: Shaped[ndarray, "height width"], placement: Placement, outside: float
) -> Shaped[ndarray, "rows columns"]:
    """Each pixel of the frame gets the value of the input's pixel that its centre lies in, or `outside`."""
    frame = np.full((placement.rows, placement.columns), outside, dtype=values.dtype)
    bottom, right = placement.top + placement.height, placement.left + placement.width
    frame[placement.top : bottom, placement.left : right] = values[np.ix_(*nearest(values.shape, placement))]
    return frame


def nearest(
    shape: tuple[int, ...], placement: Placement
) -> tuple[Int[ndarray, " seen_rows"], Int[ndarray, " seen_columns"]]:
    """For the rows and columns of the frame that the model saw: the row or column of an input of this shape."""
    rows = (2 * np.arange(placement.height) + 1) * shape[0] // (2 * placement.height)
    columns = (2 * np.arange(placement.width) + 1) * shape[1] // (2 * placement.width)
    return rows, columns


def segments(maps: Maps, rho: float, placement: Placement) -> UInt8[ndarray, "rows columns 3"]:
    """Ones where certified salient, certified not salient, neither; zeros in all three where the model saw nothing."""
    salient, not_salient = maps.salient > rho, maps.not_salient > rho
    parts = (salient, not_salient, ~(salient | not_salient))
    return np.stack([on_frame(part.astype(np.uint8), placement, 0) for part in parts], axis=-1)
