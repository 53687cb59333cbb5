"""Top-K overlap, exact for the box of intervals."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from worker.core.certificates.base import promise, scope
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.topk import TopKCertifier, share
from worker.core.registry import Guarantee


class TopKOverlap(TopKCertifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, the top-K set of the
    population map at x + d (ties broken in any way) shares at least this many cells with that of the observed map.

    Exact for the box: some maps inside the shifted intervals share no more. With f allowed failures the count is
    lowered by f, since one wrong cell changes a top-K set by at most one member.
    Source: certificates.md section 5; replaces Levine et al. 2019, Theorem 2.
    """

    name: ClassVar[str] = "topk_overlap"
    summary: ClassVar[str] = "At least this many of the K most salient cells stay among the K most salient"
    source: ClassVar[str] = "Surety: exact for the interval box; betters Levine et al. 2019, Theorem 2"
    guarantee: ClassVar[Guarantee] = "probabilistic"

    def certified(self, evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> Int[ndarray, " radii"]:
        losses = loss_radii(evidence, size)
        # A member is lost at its radius already: there the two bounds tie, and ties count against us.
        lost = np.searchsorted(losses, radii, side="right")
        return np.maximum(size - lost - evidence.bounds.failures, 0)

    def sentence(self, evidence: Evidence, size: int, rho: float, count: int) -> str:
        return (
            f"{promise(evidence)}, {share(evidence, size, count)} stay among the {size} most "
            f"salient of the smoothed map under {scope(rho)}."
        )


def loss_radii(evidence: Evidence, size: int) -> Float[ndarray, " losses"]:
    """The radii, rising, at which the first, second, ... member of the observed top-K set may be lost.

    At least j members are lost at rho exactly if the j-th smallest lower bound inside the set does not exceed the j-th
    largest upper bound outside it, both shifted by rho; shifting keeps the order, so each j has one radius.
    """
    inside, outside = evidence.order[:size], evidence.order[size:]
    pairs = min(len(inside), len(outside))
    low = np.sort(evidence.bounds.lower[inside])[:pairs]
    high = -np.sort(-evidence.bounds.upper[outside])[:pairs]
    # Rounding inside `separation` must not break the order that the count relies on.
    return np.maximum.accumulate(evidence.noise.separation(low, high))
