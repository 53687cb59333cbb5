"""Intervals and shifts from their definitions: bisection, the standard library's normal law, no code of worker.core."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import rel_entr
from scipy.stats import beta, binom

from worker.contract.spec import Method

# Enough to bring a bracket of [0,1] below the last bit of any bound.
BISECTIONS = 64
NORMAL = NormalDist()

Levels = Float[ndarray, " levels"]


@dataclass(frozen=True)
class Box:
    """Cells with equal votes have equal intervals, so a map is a list of levels, with most votes first: how many cells
    each level has, and the interval of their means. All but `failures` of the intervals hold, at x as at x + d."""

    means: Levels
    lower: Levels
    upper: Levels
    cells: Int[ndarray, " levels"]
    failures: int

    def top(self, size: int) -> Int[ndarray, " levels"]:
        """How many cells of each level are among the `size` with most votes."""
        before = np.cumsum(self.cells) - self.cells
        return np.asarray(np.clip(size - before, 0, self.cells))

    def moved(self, noise: Method, elements: int, rho: float) -> Box:
        """The intervals of the means at every x + d, ||d||_2 <= rho."""
        shift = SHIFTS[noise.name](noise, elements, rho)
        lower = np.array([shift(float(p)) for p in self.lower])
        # What is at most p has a complement of at least 1 - p; the noise laws are symmetric.
        upper = np.array([1.0 - shift(1.0 - float(p)) for p in self.upper])
        return Box(self.means, lower, upper, self.cells, self.failures)


def box(interval: Method, votes: Int[ndarray, " cells"], samples: int, scale: int, alpha: float) -> Box:
    """The intervals at x. Votes of real values were rounded down: the mean is up to one vote a sample higher."""
    counts, cells = np.unique(votes, return_counts=True)
    counts, cells = counts[::-1], cells[::-1]
    failures = int(interval.params.get("allowed_failures", 0))
    side = min(0.5, (failures + 1) * alpha / (2 * len(votes)))
    least = counts / (samples * scale)
    most = least if scale == 1 else np.minimum((counts + samples) / (samples * scale), 1.0)
    refuted = INTERVALS[interval.name]
    lower = bisected(lambda p: refuted(least, p, samples, side), least)
    upper = 1.0 - bisected(lambda p: refuted(1.0 - most, p, samples, side), 1.0 - most)
    return Box(least, lower, upper, cells, failures)


def bisected(refuted: Callable[[Levels], ndarray], means: Levels) -> Levels:
    """The least p, from below, that an observed mean does not refute; p = 0 is never exceeded by nothing."""
    outside, inside = np.zeros_like(means), means.copy()
    for _ in range(BISECTIONS):
        middle = (outside + inside) / 2
        out = refuted(middle)
        outside, inside = np.where(out, middle, outside), np.where(out, inside, middle)
    return np.where(means > 0, inside, 0.0)


def _binomial(means: Levels, p: Levels, samples: int, side: float) -> ndarray:
    """As many successes or more are too rare to be believed."""
    rare = binom.sf(np.rint(means * samples) - 1, samples, p) < side
    return np.asarray(rare)


def _chernoff(means: Levels, p: Levels, samples: int, side: float) -> ndarray:
    return np.asarray(samples * (rel_entr(means, p) + rel_entr(1 - means, 1 - p)) > math.log(1 / side))


def _hoeffding(means: Levels, p: Levels, samples: int, side: float) -> ndarray:
    return np.asarray(2 * samples * (means - p) ** 2 > math.log(1 / side))


def _gaussian(noise: Method, _elements: int, rho: float) -> Callable[[float], float]:
    """Phi(Phi^-1(p) - rho / sigma): Cohen et al. 2019, Lemma 4."""
    sigma = float(noise.params["sigma"])
    return lambda p: p if p in (0.0, 1.0) else NORMAL.cdf(NORMAL.inv_cdf(p) - rho / sigma)


def _uniform_ball(noise: Method, elements: int, rho: float) -> Callable[[float], float]:
    """p - kappa, kappa = 1 - I_{1 - (rho/2r)^2}((n+1)/2, 1/2): Neyman-Pearson for two balls."""
    # The draws are this much shorter than r, to make up for single precision; see worker.core.noises.uniform_ball.
    radius = float(noise.params["r"]) * (1 - 2.0**-21)
    near = 1.0 - min(1.0, rho / (2 * radius)) ** 2
    kappa = 1.0 - float(beta.cdf(near, (elements + 1) / 2, 0.5))
    return lambda p: max(0.0, p - kappa)


INTERVALS = {"clopper_pearson": _binomial, "kl": _chernoff, "hoeffding": _hoeffding}
SHIFTS = {"gaussian": _gaussian, "uniform_ball": _uniform_ball}
