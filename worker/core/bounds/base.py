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


@dataclass(frozen=True)
class Bounds:
    """[lower, upper] per cell. With probability at least 1 - alpha all but `failures` of them hold the true mean."""

    lower: Float[ndarray, " cells"]
    upper: Float[ndarray, " cells"]
    alpha: float
    side: float
    failures: int


class Params(Frozen):
    """allowed_failures: how many intervals may fail; each makes all of them narrower and costs one member of a set."""

    allowed_failures: int = Field(default=0, ge=0, le=1_000_000, strict=True)


class Interval(Entry):
    """Simultaneous intervals over all cells, whatever their dependence.

    With a per-side error of (f+1) alpha / 2m the expected number of failed sides is at most (f+1) alpha, so by
    Markov's inequality more than f intervals fail with probability at most alpha (k-FWER).
    """

    guarantee: ClassVar[Guarantee] = "probabilistic"
    Params: ClassVar[type[Frozen]] = Params

    @final
    def __call__(self, votes: Int[ndarray, " cells"], samples: int, alpha: float) -> Bounds:
        """Bounds for every cell's mean from its votes out of `samples` draws, rounded outwards, float64."""
        failures = self.params.allowed_failures
        side = min(0.5, (failures + 1) * alpha / (2 * len(votes)))
        lower, upper = self.run(votes, samples, side)
        lower = np.clip(lower * (1 - ROUNDING), 0.0, 1.0)
        upper = np.clip(1 - (1 - upper) * (1 - ROUNDING), 0.0, 1.0)
        return Bounds(lower, upper, alpha, side, failures)

    @abstractmethod
    def run(
        self, votes: Int[ndarray, " cells"], samples: int, side: float
    ) -> tuple[Float[ndarray, " cells"], Float[ndarray, " cells"]]:
        """(lower, upper): each wrong with probability at most `side` on its own."""
