"""What every granularity offers: from signed attributions to non-negative cells in a grid."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from worker.core.registry import Entry


class Layout(NamedTuple):
    """Where the cells lie: `rows` and `columns` are the pixels at the centres of the rows and columns of cells."""

    layers: int
    height: int
    width: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]


class Granularity(Entry):
    """Reduces absolute attributions to cells. `noun` is what a statement calls the cells."""

    noun: ClassVar[str]

    @final
    def __call__(self, values: Float[Tensor, "batch *cells"]) -> Float[Tensor, "batch cells"]:
        """Absolute attributions as one row of cells per image, in the order of `grid`."""
        return self.reduce(values.abs()).flatten(start_dim=1)

    @abstractmethod
    def reduce(self, magnitudes: Float[Tensor, "batch *cells"]) -> Float[Tensor, "batch ..."]:
        """Cells of each image, in any shape that flattens to `grid`."""

    @abstractmethod
    def grid(self, channels: int, height: int, width: int) -> tuple[int, int, int]:
        """(layers, rows, columns) of the cells for elements of this shape."""

    def cell_of(self, length: int) -> Int[ndarray, " length"]:
        """For each pixel along a side, the row or column of cells it lies in; never falling."""
        return np.arange(length)

    @final
    def layout(self, channels: int, height: int, width: int) -> Layout:
        layers, _, _ = self.grid(channels, height, width)
        return Layout(layers, height, width, _centres(self.cell_of(height)), _centres(self.cell_of(width)))

    @final
    def to_pixels(
        self, cells: Float[ndarray, "rows columns"], height: int, width: int
    ) -> Float[ndarray, "height width"]:
        """Each pixel with the value of its cell, for pictures."""
        return np.asarray(cells[self.cell_of(height)][:, self.cell_of(width)])


def _centres(cell_of: Int[ndarray, " length"]) -> tuple[int, ...]:
    first = np.searchsorted(cell_of, np.unique(cell_of), side="left")
    after = np.searchsorted(cell_of, np.unique(cell_of), side="right")
    return tuple(int(centre) for centre in (first + after) // 2)
