"""Gaussian noise with the looser shift of differential privacy, for comparison."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from worker.core.noises.base import Values, meeting
from worker.core.noises.gaussian import Gaussian

# Every epsilon gives a valid bound, so that the search for the best needs no more than this.
SEARCH = 30
ROUNDING = 1e-9
ULPS = 4 * np.finfo(np.float64).eps


class GaussianLecuyer(Gaussian):
    """The draws of `gaussian`; the shift is that of the (epsilon, delta) differential privacy of Gaussian noise.

    sigma = sqrt(2 ln(1.25 / delta)) rho / epsilon makes noise (epsilon, delta) private for 0 < epsilon <= 1: the mean
    of a [0,1] function is at least (p - delta) / e^epsilon and at most e^epsilon p + delta at every x + d,
    ||d||_2 <= rho, if it is p at x. Each bound takes its own best epsilon. Valid, and never tighter than `gaussian`,
    whose shift is exact. The total variation distance is a property of the draws and stays that of `gaussian`.

    Source: Lecuyer et al. 2018, Lemma 1; Dwork and Roth 2014, Theorem A.1; Levine et al. 2019, appendix K.
    """

    name: ClassVar[str] = "gaussian_lecuyer"
    summary: ClassVar[str] = "Gaussian noise, shifted by Lecuyer's (epsilon, delta) bound; looser, for comparison"
    source: ClassVar[str] = "Lecuyer et al. 2018, Lemma 1; Levine et al. 2019, appendix K"

    def lower(self, p: Values, rho: float | Values) -> Values:
        return self._lower(p.ravel(), self._moves(p, rho)).reshape(p.shape)

    def upper(self, p: Values, rho: float | Values) -> Values:
        return self._upper(p.ravel(), self._moves(p, rho)).reshape(p.shape)

    def _moves(self, p: Values, rho: float | Values) -> Float[ndarray, " moves"]:
        return np.broadcast_to(rho / self.params.sigma, p.shape).ravel()

    def separation(self, low: Values, high: Values) -> Values:
        """Bisected between zero and the exact shift's separation, which is never less."""
        return meeting(self.lower, self.upper, low, high, super().separation(low, high))

    @staticmethod
    def _lower(p: Values, move: Values) -> Values:
        """The best (p - delta) / e^epsilon, for moves in units of sigma.

        With delta = 1.25 exp(-k epsilon^2), k = 1 / 2 move^2, it rises while 1.25 exp(-k e^2) (1 + 2 k e) > p, which is
        so up to one epsilon and not beyond: the left side starts above p, rises, then falls.
        """
        k = 0.5 / np.maximum(move, ROUNDING) ** 2
        low, high = np.zeros(p.shape), np.ones(p.shape)
        for _ in range(SEARCH):
            middle = (low + high) / 2
            rising = _delta(k, middle) * (1 + 2 * k * middle) > p
            low, high = np.where(rising, middle, low), np.where(rising, high, middle)
        return np.asarray(np.maximum((p - _delta(k, high)) * np.exp(-high) - ULPS, 0.0))

    @staticmethod
    def _upper(p: Values, move: Values) -> Values:
        """The best e^epsilon p + delta, for moves in units of sigma.

        It falls while 2.5 k e exp(-k e^2 - e) > p. The left side rises up to the root of 2 k e^2 + e = 1 and falls from
        there; before the root the bound starts above 1 and is of no use.
        """
        k = 0.5 / np.maximum(move, ROUNDING) ** 2
        low, high = 2 / (1 + np.sqrt(1 + 8 * k)), np.ones(p.shape)
        for _ in range(SEARCH):
            middle = (low + high) / 2
            falling = 2 * k * middle * _delta(k, middle) * np.exp(-middle) > p
            low, high = np.where(falling, middle, low), np.where(falling, high, middle)
        return np.asarray(np.minimum(p * np.exp(high) * (1 + ULPS) + _delta(k, high) + ULPS, 1.0))


def _delta(k: Values, epsilon: Values) -> Values:
    """The delta at which noise of standard deviation sigma has privacy (epsilon, delta); k = sigma^2 / 2 rho^2."""
    return np.asarray(1.25 * np.exp(-k * epsilon**2))
