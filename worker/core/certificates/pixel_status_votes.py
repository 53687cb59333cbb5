"""Per-cell status by the vote rule: cells that get a vote in more than half of the noisy images."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from worker.core.certificates.base import require_map
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.topk import TopKCertifier
from worker.core.certificates.words import compared, promise, scope
from worker.core.registry import Guarantee


class VoteStatus(TopKCertifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, at least this many of the K most
    salient cells of the observed map are in the sparsified map of more than half of the noisy images around x + d.

    Says nothing about the rank of a cell in the smoothed map, nor about top-K membership: for these see `pixel_status`.
    A cell is counted where its shifted lower bound exceeds 1/2; for Gaussian noise up to sigma * Phi^-1(L). With f
    allowed failures the count is lowered by f, since a wrong interval spoils the claim about its own cell only. Every
    noisy image has ceil(tau m) votes to give, so fewer than twice as many cells can have more than half. Under
    `compare: observed` it is more than half of the noisy images of a fresh run at x + d; see rerun.py.

    Raises: InvalidSpec for maps other than the sparsified one. Source: the vote rule of Anani et al. (ICML 2025), with
    intervals that hold for all cells at once in place of their test and its abstentions.
    """

    name: ClassVar[str] = "vote_status"
    summary: ClassVar[str] = "Which of the K most salient cells stay in the sparsified map more often than not"
    source: ClassVar[str] = "Anani et al. 2025 (ICML), vote rule; Cohen et al. 2019, Theorem 1, per cell"
    guarantee: ClassVar[Guarantee] = "probabilistic"

    def check(self, evidence: Evidence, pointer: str) -> None:
        super().check(evidence, pointer)
        require_map(evidence, "sparsified", self.name)

    def certified(self, evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> Int[ndarray, " radii"]:
        reach = vote_radius(evidence)[evidence.order[:size]]
        counts = np.array([int((reach > rho).sum()) for rho in radii], dtype=np.int64)
        return np.maximum(counts - evidence.bounds.failures, 0)

    def sentence(self, evidence: Evidence, size: int, rho: float, count: int) -> str:
        return (
            f"{promise(evidence)}, at least {count} of the {size} most salient {evidence.noun} shown for "
            f"{evidence.subject} are each marked in more than half of "
            f"{compared(evidence, 'all noisy images', 'the noisy images')} under {scope(evidence, rho)}; this is no "
            f"statement about their rank."
        )


def vote_radius(evidence: Evidence) -> Float[ndarray, " cells"]:
    """The radius below which each cell's vote frequency stays above one half; zero or less where that is not certified.

    A vote and its absence shift alike, so that frequency and one minus it are separated while it exceeds one half.
    """
    lower = evidence.bounds.lower
    return evidence.shift.separation(lower, 1.0 - lower)
