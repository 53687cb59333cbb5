"""The unit map: each sample divided by its length."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from worker.core.maps.base import RESOLUTION, Cells, SampleMap, over_largest


class Unit(SampleMap):
    """|g| / ||g||_2: a direction. The votes, over RESOLUTION, have an l2 norm of at most 1 exactly, as cosine_norm_ball
    needs: their squares add up to an integer, rounding lifts it by less than 1, and so it stays at most RESOLUTION^2.
    """

    name: ClassVar[str] = "unit"
    summary: ClassVar[str] = "Each cell over the l2 norm of its sample; for the cosine certificates"
    source: ClassVar[str] = "Surety; normalised attributions as in Wang and Kong 2024"
    scale: ClassVar[int] = RESOLUTION

    def run(self, cells: Cells) -> Float[Tensor, "batch cells"]:
        shares = over_largest(cells)
        # The largest share is 1, so that the norm of a sample with a ranking is at least 1.
        lengths: Tensor = torch.linalg.vector_norm(shares, dim=1, keepdim=True)
        return shares / lengths.clamp(min=1.0)
