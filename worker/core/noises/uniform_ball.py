"""Noise that is uniform on a ball."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import Field
from scipy.special import betainc, betaincinv

from worker.contract.spec import Frozen
from worker.core.noises.base import Noise, Values

# Single precision lengthens a draw by hardly more than 2^-23 of it; draws are shortened by four times that. What is
# drawn is then uniform on the ball of this share of r, and all shifts are those of that smaller ball.
SHORTER = 1 - 2.0**-21
# The incomplete beta function and its inverse are accurate to about 1e-12 here; see tests/core/test_noises.py.
ROUNDING = 1e-9
ULPS = 4 * np.finfo(np.float64).eps


class Params(Frozen):
    """r: l2 radius of the ball, in [0,1] pixel units. In n elements it smooths like sigma = r / sqrt(n + 2)."""

    r: float = Field(gt=0.0, le=10_000.0)


class UniformBall(Noise):
    """Uniform on the l2 ball of radius r around the image, over all n elements at once.

    Its shift is exact: a [0,1] function with mean p at x has a mean of at least max(0, p - kappa) and at most
    min(1, p + kappa) at every x + d, ||d||_2 <= rho, and half-spaces across d attain both where p is 1/2 +- kappa/2.
    kappa(rho, r, n) = I_{(rho/2r)^2}(1/2, (n+1)/2) is the share of one ball outside the other, 1 from rho = 2r on; I is
    the regularised incomplete beta function. Assumes the number of elements: see `for_elements`.

    Source: Neyman-Pearson for two uniform laws; Wang and Kong 2024 for the ball; certificates.md section 4.
    """

    name: ClassVar[str] = "uniform_ball"
    summary: ClassVar[str] = "Uniform on the l2 ball of radius r (in [0,1] pixel units) around the image"
    source: ClassVar[str] = "Surety: Neyman-Pearson for two balls; Wang and Kong 2024"
    Params: ClassVar[type[Frozen]] = Params

    def __init__(self, params: Frozen, elements: int | None = None) -> None:
        super().__init__(params)
        self._elements = elements

    def for_elements(self, elements: int) -> UniformBall:
        return UniformBall(self.params, elements)

    @property
    def _half(self) -> float:
        """(n+1)/2."""
        if self._elements is None:
            raise TypeError("the shift of uniform_ball depends on the number of elements: call for_elements first")
        return (self._elements + 1) / 2

    @property
    def _diameter(self) -> float:
        return float(2 * self.params.r * SHORTER * (1 - ULPS))

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Float[ndarray, "..."]:
        """A direction, uniform because normal vectors have none they prefer, times r U^(1/n)."""
        drawn = generator.standard_normal(shape, dtype=np.float32)
        rows = drawn.reshape(shape[0], -1)
        # Squares summed in double precision; a length of zero is possible for one element only.
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        radii = self.params.r * SHORTER * generator.random(shape[0]) ** (1 / rows.shape[1])
        rows *= (radii / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)[:, None]
        return drawn

    def total_variation(self, rho: float) -> float:
        """kappa(rho, r, n)."""
        return float(self._kappa(rho))

    def _kappa(self, rho: float | Values) -> Values:
        share = betainc(0.5, self._half, np.minimum(1.0, rho / self._diameter) ** 2)
        return np.asarray(np.minimum(1.0, share * (1 + ROUNDING)))

    def lower(self, p: Values, rho: float | Values) -> Values:
        return np.asarray(np.maximum(p - self._kappa(rho) - ULPS, 0.0))

    def upper(self, p: Values, rho: float | Values) -> Values:
        return np.asarray(np.minimum(p + self._kappa(rho) + ULPS, 1.0))

    def separation(self, low: Values, high: Values) -> Values:
        """Both means move towards each other by kappa, so they meet where kappa is half of what is between them."""
        share = np.maximum((low - high) / 2 - 2 * ULPS, 0.0) * (1 - 2 * ROUNDING)
        return np.asarray(self._diameter * np.sqrt(betaincinv(0.5, self._half, share)) * (1 - ROUNDING))
