"""Overlap of the top-K sets."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool
from pydantic import Field
from torch import Tensor

from worker.contract.errors import NoCells
from worker.contract.spec import Frozen
from worker.core.distances.base import Distance, Maps, Rows


class Params(Frozen):
    """k: the share of the cells that make the top-K set."""

    k: float = Field(gt=0.0, lt=1.0, default=0.2)


class TopKOverlap(Distance):
    """The share of the first map's K = ceil(k m) cells of greatest magnitude that are among those of the second.

    In [0,1]. Among equal cells those that come first in the grid are taken, in both maps, as everywhere in Surety. Sets
    have no derivative: attacks climb the share of mass outside the first map's set.
    Raises: NoCells if k is less than one cell.
    """

    name: ClassVar[str] = "topk_overlap"
    summary: ClassVar[str] = "Share of the K largest cells that stay among the K largest"
    source: ClassVar[str] = "Ghorbani et al. 2019, section 3; Levine et al. 2019, section 1"
    Params: ClassVar[type[Frozen]] = Params
    similarity: ClassVar[bool] = True

    def run(self, first: Maps, second: Maps) -> Rows:
        one, other = self.members(first), self.members(second)
        return (one & other).flatten(1).sum(dim=1).double() / one.flatten(1).sum(dim=1)

    def ascent(self, first: Maps, second: Maps) -> Rows:
        return -mass(second.double(), self.members(first))

    def members(self, maps: Maps) -> Bool[Tensor, "rows layers height width"]:
        """Which cells are in the top-K set."""
        flat = maps.detach().abs().flatten(1)
        cells = flat.shape[1]
        if self.params.k * cells < 1:
            raise NoCells(
                f"k = {self.params.k:g} of {cells} cells is less than one; the smallest k here is {1 / cells:.6g}."
            )
        order = flat.argsort(dim=1, descending=True, stable=True)[:, : int(np.ceil(self.params.k * cells - 1e-9))]
        return torch.zeros_like(flat, dtype=torch.bool).scatter(1, order, True).reshape(maps.shape)


def mass(maps: Maps, chosen: Bool[Tensor, "rows layers height width"]) -> Rows:
    """The share of each map's magnitudes that lies in the chosen cells; 0 for a map of zeros. Differentiable."""
    magnitudes = maps.abs()
    total = magnitudes.flatten(1).sum(dim=1)
    return (magnitudes * chosen).flatten(1).sum(dim=1) / torch.where(total > 0, total, 1.0)
