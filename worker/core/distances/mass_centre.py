"""The shift of the centre of mass."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from worker.core.distances.base import Distance, Maps, Rows


class MassCentre(Distance):
    """How far the centre of mass of the cells' magnitudes moved, in cells; the middle of the grid where a map is zero.

    Layers of the map are summed first.
    """

    name: ClassVar[str] = "mass_centre"
    summary: ClassVar[str] = "Distance between the maps' centres of mass, in cells"
    source: ClassVar[str] = "Ghorbani et al. 2019, section 3"
    similarity: ClassVar[bool] = False

    def run(self, first: Maps, second: Maps) -> Rows:
        length: Rows = torch.linalg.vector_norm(centre(first) - centre(second), dim=1)
        return length

    def ascent(self, first: Maps, second: Maps) -> Rows:
        """The square: it grows alike, and has a derivative where the shift is 0."""
        return (centre(first.double()) - centre(second.double())).square().sum(dim=1)


def centre(maps: Maps) -> Float[Tensor, "rows 2"]:
    """The (row, column) of each map's centre of mass, counted from the middle of the first cell."""
    masses = maps.abs().sum(dim=1)
    total = masses.sum(dim=(1, 2))
    # A map of zeros is taken for an even one.
    shares = torch.where((total > 0)[:, None, None], masses, 1.0)
    shares = shares / shares.sum(dim=(1, 2), keepdim=True)
    rows, columns = (torch.arange(length, dtype=shares.dtype, device=shares.device) for length in masses.shape[1:])
    return torch.stack([shares.sum(dim=2) @ rows, shares.sum(dim=1) @ columns], dim=1)
