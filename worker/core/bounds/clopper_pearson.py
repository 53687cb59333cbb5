"""Clopper-Pearson intervals."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import betainccinv, betaincinv

from worker.core.bounds.base import Interval


class ClopperPearson(Interval):
    """Exact binomial intervals: valid for maps whose values are 0 or 1, at any number of samples."""

    name: ClassVar[str] = "clopper_pearson"
    summary: ClassVar[str] = "Exact binomial intervals, for maps of zeros and ones"
    source: ClassVar[str] = "Clopper and Pearson 1934"

    def run(
        self, votes: Int[ndarray, " cells"], samples: int, side: float
    ) -> tuple[Float[ndarray, " cells"], Float[ndarray, " cells"]]:
        # Only samples + 1 counts are possible, and usually far fewer occur: each is inverted once.
        counts, where = np.unique(votes, return_inverse=True)
        lower = np.zeros(len(counts))
        upper = np.ones(len(counts))
        some, notall = counts > 0, counts < samples
        lower[some] = betaincinv(counts[some], samples - counts[some] + 1, side)
        upper[notall] = betainccinv(counts[notall] + 1, samples - counts[notall], side)
        return lower[where], upper[where]
