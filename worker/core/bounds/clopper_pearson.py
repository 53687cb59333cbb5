"""Clopper-Pearson intervals."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import betainccinv, betaincinv

from worker.core.bounds.base import Interval, Means


class ClopperPearson(Interval):
    """Exact binomial intervals: valid for maps whose values are 0 or 1, at any number of samples."""

    name: ClassVar[str] = "clopper_pearson"
    summary: ClassVar[str] = "Exact binomial intervals, for maps of zeros and ones"
    source: ClassVar[str] = "Clopper and Pearson 1934"
    binary_only: ClassVar[bool] = True

    def lower(self, means: Means, samples: int, side: float) -> Means:
        counts = np.rint(means * samples)
        bound = np.zeros(len(counts))
        some = counts > 0
        bound[some] = betaincinv(counts[some], samples - counts[some] + 1, side)
        return bound

    def upper(self, means: Means, samples: int, side: float) -> Means:
        counts = np.rint(means * samples)
        bound = np.ones(len(counts))
        some = counts < samples
        bound[some] = betainccinv(counts[some] + 1, samples - counts[some], side)
        return bound
