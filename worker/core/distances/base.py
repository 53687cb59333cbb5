"""What every distance offers: one number for each pair of maps, and which way is harm."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from worker.contract.errors import DegenerateMap
from worker.core.registry import Entry, Guarantee

# Cells in their grid. Maps are compared row by row; no row influences another.
Maps = Float[Tensor, "rows layers height width"]
Rows = Float[Tensor, " rows"]


class Distance(Entry):
    """How alike or how far apart two maps are. `similarity` says which: of a similarity, less is more harm.

    Correlations with a map that has no ranking are 0, not undefined: a constant map is like no other.
    """

    guarantee: ClassVar[Guarantee] = "empirical"
    similarity: ClassVar[bool]

    @final
    def __call__(self, first: Maps, second: Maps) -> Rows:
        """The value of each row, in double precision. Raises DegenerateMap if a cell is not finite."""
        if not (bool(torch.isfinite(first).all()) and bool(torch.isfinite(second).all())):
            raise DegenerateMap(
                f"A map has cells that are not finite, so {self.name} has no meaning; choose another attribution, "
                "class or model."
            )
        return self.run(first.double(), second.double())

    @final
    def harm(self, first: Maps, second: Maps) -> Rows:
        """The value, turned so that more of it is more harm."""
        value = self(first, second)
        return -value if self.similarity else value

    @abstractmethod
    def run(self, first: Maps, second: Maps) -> Rows:
        """The value of each row of finite maps in double precision."""

    def ascent(self, first: Maps, second: Maps) -> Rows:
        """What an attack climbs: differentiable in `second`, and rising with harm. By default harm itself."""
        return self.harm(first, second)
