"""Sensitivity-max: how far a map moves, at worst, among random perturbations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "rows channels height width"]
Explain = Callable[[Images], Float[Tensor, "rows layers rows_of_cells columns"]]


def sensitivity_max(
    explain: Explain, images: Images, radius: float, draws: int = 10, seed: int = 0
) -> Float[Tensor, " rows"]:
    """The greatest ||map(x + d) - map(x)||_2 / ||map(x)||_2 over `draws` moves d, uniform in the l-infinity ball of
    this radius; [0,1] pixel units, not clipped. All images see the same moves.

    A lower bound of the true maximum, found without looking for it: attacks find more. Infinite for a map of zeros
    that moves, 0 for one that does not: constant maps win here, so it says nothing without a measure of faithfulness.
    Source: Yeh et al. 2019, definition 2, estimated by Monte Carlo as there.
    """
    generator = torch.Generator().manual_seed(seed)
    still = explain(images).double().flatten(1)
    worst = torch.zeros(len(images), dtype=torch.float64, device=images.device)
    for _ in range(draws):
        move = radius * (2 * torch.rand(images.shape[1:], generator=generator) - 1).to(images.device)
        moved = explain(images + move).double().flatten(1)
        worst = torch.maximum(worst, torch.linalg.vector_norm(moved - still, dim=1))
    length = torch.linalg.vector_norm(still, dim=1)
    return torch.where(worst > 0, worst / length, 0.0)
