"""An interval for one mean by betting: narrow where the values vary little, and blind to their order."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import logsumexp, xlogy

from worker.core.bounds.base import EPSILON, ROUNDING

# The bound is found to this many bits of the mean, from below.
BISECTIONS = 44
# Each root below is off by a few ulp of at most 1; lowering it by more can only lower the wealth.
MARGIN = 1e-14
# Logarithms of at most 800 in magnitude, and their weighted sum, are off by less than this per value.
SLACK = 1e-12

Levels = Float[ndarray, " levels"]


def betting_interval(values: Levels, counts: Int[ndarray, " levels"], alpha: float) -> tuple[float, float]:
    """Holds the mean with probability at least 1 - alpha, alpha / 2 on each side, for independent equally distributed
    [0,1] values of which `counts[j]` were observed at `values[j]`. Rounded outwards, float64.

    Who believes in the mean m lets us stake a share of our money on each value x, multiplying it by a factor that is
    linear in x and 1 on average. At the true mean the money of a fixed mixture of such bets has expectation 1, so that
    it reaches 2 / alpha with probability at most alpha / 2 (Markov). The interval holds the means at which it did not.
    The product of the factors does not depend on the order of the values: a histogram is enough.
    The number of values must be fixed beforehand, or paid for look by look.

    Raises: ValueError for an empty histogram. Source: Waudby-Smith and Ramdas 2024, section 4; the bets are ours.
    """
    if counts.sum() < 1:
        raise ValueError("an interval needs at least one value")
    return lower_mean(values, counts, alpha / 2), 1.0 - lower_mean(1.0 - values, counts, alpha / 2)


def lower_mean(values: Levels, counts: Int[ndarray, " levels"], side: float) -> float:
    """Exceeds the mean with probability at most `side`."""
    seen = counts > 0
    values, counts = values[seen], counts[seen]
    bets = stakes(int(counts.sum()), side)
    low, high = 0.0, min(1.0, float(np.dot(counts, values) / counts.sum()))
    if high == 0.0:
        return 0.0
    # The wealth falls with m (see `log_wealth`), so that the refuted means are those below one point.
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if log_wealth(middle, values, counts, bets) >= -math.log(side):
            low = middle
        else:
            high = middle
    # `values` and 1 - `values` are rounded, by less than this; the mean with them.
    return max(0.0, low * (1 - ROUNDING) - EPSILON)


def stakes(number: int, side: float) -> Float[ndarray, " bets"]:
    """The bets, as moves s of m on the arcsine scale, fixed before any value is seen; each twice the one before.

    The first suits values of 0 and 1, whose variance is greatest: alone it would give about Chernoff's bound. The less
    the values vary the bolder the best bet, up to the boldest, which loses all at x = 0.
    """
    first = math.sqrt(-math.log(side) / (2 * number))
    doublings = max(0, math.ceil(math.log2(math.pi / 2 / first)))
    return np.asarray(np.minimum(first * 2.0 ** np.arange(doublings + 1), math.pi / 2))


def log_wealth(m: float, values: Levels, counts: Int[ndarray, " levels"], bets: Float[ndarray, " bets"]) -> float:
    """The logarithm, rounded down, of the mixture's wealth after all values if the mean is m, 0 < m < 1.

    The mixture weighs the bets in proportion to 1, 1/2, 1/3, ... (measured: a fair price for values of every spread).
    A bet is a mean p > m, sin^2(t + s) with m = sin^2(t): as if the values were 0 or 1 with mean p. Its factor is
    (1-p)/(1-m) = (cos s - tan t sin s)^2 at x = 0 and p/m = (cos s + cot t sin s)^2 at x = 1, linear between, and
    1 at x = m; where t + s exceeds a right angle p is 1. Both ends fall with t, so the wealth falls with m.
    """
    odds = math.sqrt(m / (1 - m))
    at_zero = np.maximum(np.cos(bets) - odds * np.sin(bets) - MARGIN, 0.0) ** 2
    at_one = np.where(at_zero > 0, (np.cos(bets) + np.sin(bets) / odds) ** 2, 1 / m) * (1 - MARGIN)
    factors = at_zero[:, None] + (at_one - at_zero)[:, None] * values
    weights = 1.0 / np.arange(1, len(bets) + 1)
    money = xlogy(counts, factors).sum(axis=1) + np.log(weights / weights.sum())
    return float(logsumexp(money)) - SLACK * float(counts.sum())
