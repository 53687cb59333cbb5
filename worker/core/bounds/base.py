"""What every interval offers: bounds for all cells at once, with failures that were paid for."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import Field

from worker.contract.spec import Frozen
from worker.core.registry import Entry, Guarantee

# The special functions are accurate to about 1e-13; bounds are moved outwards by far more than that.
ROUNDING = 1e-11
EPSILON = 4 * np.finfo(np.float64).eps

Means = Float[ndarray, " cells"]


@dataclass(frozen=True)
class Bounds:
    """[lower, upper] per cell. With probability at least 1 - alpha all but `failures` of them hold the true mean."""

    lower: Means
    upper: Means
    alpha: float
    side: float
    failures: int


class Params(Frozen):
    """allowed_failures: how many cells may fail; each makes all intervals narrower and costs at most one member."""

    allowed_failures: int = Field(default=0, ge=0, le=1_000_000, strict=True)


class Interval(Entry):
    """Simultaneous intervals over all cells, whatever their dependence.

    With a per-side error of (f+1) alpha / 2m the expected number of failed sides is at most (f+1) alpha, so by
    Markov's inequality more than f intervals fail with probability at most alpha (k-FWER).
    """

    guarantee: ClassVar[Guarantee] = "probabilistic"
    Params: ClassVar[type[Frozen]] = Params
    # Whether it holds for maps of zeros and ones only.
    binary_only: ClassVar[bool] = False

    @final
    def __call__(self, votes: Int[ndarray, " cells"], samples: int, scale: int, alpha: float) -> Bounds:
        """Bounds for every cell's mean from its votes, out of `scale` a sample, rounded outwards, float64.

        Real values were rounded down to whole votes, so the true sample mean lies up to one vote a sample higher.
        """
        failures = self.params.allowed_failures
        side = min(0.5, (failures + 1) * alpha / (2 * len(votes)))
        # Few different counts occur among many cells: each is inverted once.
        counts, where = np.unique(votes, return_inverse=True)
        low = counts / (samples * scale)
        high = low if scale == 1 else np.minimum((counts + samples) / (samples * scale), 1.0)
        lower = np.clip(self.lower(low, samples, side) * (1 - ROUNDING), 0.0, 1.0)
        return Bounds(lower[where], self.outward(high, samples, side)[where], alpha, side, failures)

    @final
    def outward(self, means: Means, samples: int, side: float) -> Means:
        """`upper`, rounded outwards."""
        # Next to 1 the subtractions lose up to an ulp each.
        return np.clip(1 - (1 - self.upper(means, samples, side)) * (1 - ROUNDING) + EPSILON, 0.0, 1.0)

    @abstractmethod
    def lower(self, means: Means, samples: int, side: float) -> Means:
        """Exceeds the true mean with probability at most `side`, each on its own; `means` are of [0,1] values."""

    def upper(self, means: Means, samples: int, side: float) -> Means:
        """The mirror image of `lower`: one minus the lower bound of one minus the values."""
        return 1.0 - self.lower(1.0 - means, samples, side)
