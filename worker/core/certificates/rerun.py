"""What a fresh run at the moved image observes: the noise law's shift, then that run's own sampling error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from worker.core.bounds.base import Interval
from worker.core.noises.base import Noise, Values, meeting

# Observed means of real-valued maps are told apart to this many levels; it costs at most one level.
LEVELS = 2**16


@dataclass(frozen=True)
class Rerun:
    """`lower`, `upper` and `separation` as those of the noise law, for the means that a fresh run of `samples` samples
    observes at x + d instead of the population's. For every d with ||d||_2 <= rho, fixed before that run is drawn:
    where the population mean at x is at least p, the observed mean at x + d is below lower(p, rho) with probability at
    most `side`; `upper` likewise. Each cell on its own: whoever speaks of several pays for all.

    The fresh run's own interval at x + d misses the mean p' there on one side with probability at most `side`. If it
    does not, the observed mean is one whose upper bound reaches p', and lower(p, rho) is the least of these for the
    least p'. For zeros and ones and Clopper-Pearson's interval it is the `side` quantile of the binomial law.
    """

    noise: Noise
    interval: Interval
    samples: int
    scale: int
    side: float

    @property
    def _levels(self) -> int:
        return self.samples if self.scale == 1 else LEVELS

    def lower(self, p: Values, rho: float | Values) -> Values:
        return np.asarray(self._least(self.noise.lower(p, rho)) / self._levels)

    def upper(self, p: Values, rho: float | Values) -> Values:
        # Whole numbers are subtracted, so that what ties with a `lower` is exactly equal to it.
        return np.asarray((self._levels - self._least(np.asarray(1.0 - self.noise.upper(p, rho)))) / self._levels)

    def separation(self, low: Values, high: Values) -> Values:
        return meeting(self.lower, self.upper, low, high, self.noise.separation(low, high))

    def _least(self, p: Values) -> Int[ndarray, "*shape"]:
        """The least level of observed means that population means of at least p leave possible."""
        highest = _highest(self.interval, self.samples, self.scale, self._levels, self.side)
        return np.asarray(np.searchsorted(highest, p))


@lru_cache(maxsize=8)
def _highest(interval: Interval, samples: int, scale: int, levels: int, side: float) -> Float[ndarray, " levels"]:
    """The upper bound of each level of observed means, rising. Zeros and ones have the levels 0, 1 / samples, ..., 1;
    of real values a level is [i, i + 1) / levels, to which comes the vote a sample that was cut off."""
    level = np.arange(levels + 1 if scale == 1 else levels)
    means = level / levels if scale == 1 else np.minimum((level + 1) / levels + 1 / scale, 1.0)
    return np.maximum.accumulate(interval.outward(means, samples, side))
