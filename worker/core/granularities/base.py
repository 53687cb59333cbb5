"""What every granularity offers: from signed attributions to non-negative cells in a grid."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from worker.core.registry import Entry


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
