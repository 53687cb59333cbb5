"""Gaussian noise."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import Field
from scipy.special import erf, ndtr, ndtri

from worker.contract.spec import Frozen
from worker.core.noises.base import Noise, Values

# ndtri and ndtr are accurate to a few ulp. The margin on the probit scale is far above that and far below any use; the
# one on the result covers means so close to 1 that the first margin vanishes there.
ROUNDING = 1e-9
ULPS = 4 * np.finfo(np.float64).eps


class Params(Frozen):
    """sigma: standard deviation, in [0,1] pixel units."""

    sigma: float = Field(gt=0.0, le=10.0)


class Gaussian(Noise):
    """Independent normal noise of standard deviation sigma on every element."""

    name: ClassVar[str] = "gaussian"
    summary: ClassVar[str] = (
        "Independent normal noise of standard deviation sigma (in [0,1] pixel units) on every element"
    )
    source: ClassVar[str] = "Levine et al. 2019, Lemma 1; Cohen et al. 2019, Lemma 4"
    Params: ClassVar[type[Frozen]] = Params

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Float[ndarray, "..."]:
        drawn = generator.standard_normal(shape, dtype=np.float32)
        drawn *= np.float32(self.params.sigma)
        return drawn

    def lower(self, p: Values, rho: float | Values) -> Values:
        return np.asarray(ndtr(ndtri(p) - rho / self.params.sigma - ROUNDING) * (1 - ULPS))

    def upper(self, p: Values, rho: float | Values) -> Values:
        return np.asarray(np.minimum(ndtr(ndtri(p) + rho / self.params.sigma + ROUNDING) * (1 + ULPS), 1.0))

    def total_variation(self, rho: float) -> float:
        """2 Phi(rho / 2 sigma) - 1: the two densities cross half way between the centres."""
        return float(min(1.0, erf(rho / (2 * math.sqrt(2) * self.params.sigma)) * (1 + ROUNDING)))

    def separation(self, low: Values, high: Values) -> Values:
        """Both means move towards each other at speed 1/sigma on the probit scale, so they meet half way."""
        # Means of 0 or 1 have infinite probits; where both do, the difference has no meaning and nothing is separated.
        with np.errstate(invalid="ignore"):
            gap = ndtri(low) - ndtri(high)
        return np.where(np.isnan(gap), 0.0, self.params.sigma * (gap / 2 - ROUNDING))
