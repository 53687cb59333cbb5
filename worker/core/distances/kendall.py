"""Kendall's rank correlation."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import kendalltau

from worker.contract.spec import Frozen
from worker.core.distances.base import Distance, Maps, Rows
from worker.core.distances.pearson import pearson

Cells = Float[ndarray, " cells"]


class Params(Frozen):
    """ties: "tau_b" corrects for tied pairs; "discordant" counts each against the maps, as the certificate does."""

    ties: Literal["tau_b", "discordant"] = "tau_b"


class Kendall(Distance):
    """Pairs of cells in the same order less pairs in opposite order, over all pairs, in [-1,1].

    With C and D such pairs of P = m (m - 1) / 2, tau-b is (C - D) / sqrt((P - S) (P - T)), where S and T pairs are tied
    in either map; 0 where a map is constant. With ties discordant it is 2 C / P - 1, which the certificate bounds.
    The order has no derivative: attacks climb Pearson's correlation.
    """

    name: ClassVar[str] = "kendall"
    summary: ClassVar[str] = "Pairs of cells in the same order less those in opposite order, over all pairs"
    source: ClassVar[str] = "Kendall 1945"
    Params: ClassVar[type[Frozen]] = Params
    similarity: ClassVar[bool] = True

    def run(self, first: Maps, second: Maps) -> Rows:
        tau = _discordant if self.params.ties == "discordant" else _tau_b
        one, other = (maps.detach().flatten(1).cpu().numpy() for maps in (first, second))
        return torch.tensor([tau(*pair) for pair in zip(one, other, strict=True)], dtype=torch.float64).to(first.device)

    def ascent(self, first: Maps, second: Maps) -> Rows:
        return -pearson(first.double(), second.double())


def _tau_b(first: Cells, second: Cells) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(kendalltau(first, second).statistic)


def _discordant(first: Cells, second: Cells) -> float:
    """From tau-b, whose numerator C - D is a whole number, and C + D: all pairs but those tied in either map."""
    pairs, both = math.comb(len(first), 2), np.stack([first, second])
    tied, ties = _tied(first), _tied(second)
    net = round(_tau_b(first, second) * math.sqrt(pairs - tied) * math.sqrt(pairs - ties))
    untied = pairs - tied - ties + _tied(both)
    return (untied + net - pairs) / pairs


def _tied(cells: Float[ndarray, "*maps cells"]) -> int:
    """Pairs of cells that are equal, in all maps at once."""
    counts = np.unique(cells, axis=-1, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())
