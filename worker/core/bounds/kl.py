"""Chernoff's intervals, by the Kullback-Leibler divergence."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from scipy.special import rel_entr

from worker.core.bounds.base import Interval, Means

# Enough to bring the bracket of every bound below the last bit of the mean.
BISECTIONS = 64
# Far above the error of a computed divergence (its terms are at most a few hundred), far below any that matters.
ROUNDING = 1e-12


class KL(Interval):
    """With probability at least 1 - alpha all but the allowed failures of the intervals [L, U] hold, where
    L = min{p <= mean : q KL(mean, p) <= ln(1 / side)}, U is its mirror image and side = (f + 1) alpha / 2m.

    Assumes independent samples and values in [0,1]. Never looser than `hoeffding` (Pinsker's inequality), much narrower
    for means near 0 or 1. KL(a, b) = a ln(a / b) + (1 - a) ln((1 - a) / (1 - b)).
    Source: Hoeffding 1963, Theorem 1, inequality 2.1 (Chernoff 1952 for zeros and ones).
    """

    name: ClassVar[str] = "kl"
    summary: ClassVar[str] = "Intervals from the Kullback-Leibler divergence, for every map"
    source: ClassVar[str] = "Hoeffding 1963, Theorem 1; Chernoff 1952"

    def lower(self, means: Means, samples: int, side: float) -> Means:
        limit = -math.log(side) / samples + ROUNDING
        outside, inside = np.zeros_like(means), means.copy()
        # KL(mean, p) falls in p up to the mean, so `outside` stays below the bound and is what is returned.
        for _ in range(BISECTIONS):
            middle = (outside + inside) / 2
            refuted = rel_entr(means, middle) + rel_entr(1 - means, 1 - middle) > limit
            outside, inside = np.where(refuted, middle, outside), np.where(refuted, inside, middle)
        return outside
