"""Structural similarity."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from worker.core.distances.base import Distance, Maps, Rows

# Wang et al. 2004: an 11 x 11 Gaussian window of deviation 1.5, K1 = 0.01, K2 = 0.03.
SIDE, DEVIATION, K1, K2 = 11, 1.5, 0.01, 0.03


class Ssim(Distance):
    """The mean structural similarity of two maps as pictures, in [-1,1].

    Each map is first divided by its largest magnitude, as it is shown, so that the range of values is 1. The window
    slides inside the map only; for a map with a shorter side it has the largest odd side that fits. The mean is over
    layers too.
    Unlike other similarities it is not 0 for constant maps: two black pictures are alike.
    """

    name: ClassVar[str] = "ssim"
    summary: ClassVar[str] = "Mean structural similarity of two maps as pictures, each scaled to its largest cell"
    source: ClassVar[str] = "Wang et al. 2004, equation 13"
    similarity: ClassVar[bool] = True

    def run(self, first: Maps, second: Maps) -> Rows:
        one, other = _shown(first), _shown(second)
        side = min(SIDE, *(length - 1 + length % 2 for length in one.shape[2:]))
        mean, means = _blur(one, side), _blur(other, side)
        variance, variances = _blur(one * one, side) - mean**2, _blur(other * other, side) - means**2
        covariance = _blur(one * other, side) - mean * means
        light = (2 * mean * means + K1**2) / (mean**2 + means**2 + K1**2)
        structure = (2 * covariance + K2**2) / (variance + variances + K2**2)
        return (light * structure).mean(dim=(1, 2, 3))


def _shown(maps: Maps) -> Maps:
    largest = maps.abs().amax(dim=(1, 2, 3), keepdim=True)
    return maps / torch.where(largest > 0, largest, 1.0)


def _blur(maps: Maps, side: int) -> Tensor:
    """The weighted mean in each window."""
    down, across = (_windows(length, side, maps) for length in maps.shape[2:])
    return down @ maps @ across.T


def _windows(length: int, side: int, like: Maps) -> Float[Tensor, "places length"]:
    """The weights of each place of the window along an axis: of its rows, and alike of its columns."""
    cells = torch.arange(length, dtype=like.dtype, device=like.device)
    offset = cells - cells[: length - side + 1, None]
    weights = torch.exp(-((offset - side // 2) ** 2) / (2 * DEVIATION**2)) * ((offset >= 0) & (offset < side))
    return weights / weights.sum(dim=1, keepdim=True)
