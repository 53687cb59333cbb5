"""Cosine similarity, from the box of intervals by Lagrangian duality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import minimize_scalar

from worker.core.certificates.base import Certifier, Claim
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.words import down, other_map, promise, scope
from worker.core.registry import Guarantee

# T is rounded down to a multiple of this.
ACCURACY = 2.0**-20
# Sums of up to a million float64 terms are off by less than this share of the sum of their magnitudes.
ROUNDING = 1e-9

Values = Float[ndarray, " groups"]


class Cosine(Certifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, the cosine of the observed map h
    with the population map at x + d is at least this value.

    T holds if h.y - T ||h|| ||y|| > 0 for every y in the shifted box. For any t > 0, ||y|| <= ||y||^2 / 2t + t / 2, so
    that it suffices if the sum over cells of the least h_i y_i - T ||h|| y_i^2 / 2t exceeds T ||h|| t / 2; each term is
    concave in y_i, so its least value is at an end of the interval. Every t gives a valid T, and the best found is
    reported: a lower bound of the least cosine in the box, not always equal to it.

    With f allowed failures the f cells that lose most by it may be anything in [0,1]. Where the box reaches the zero
    map, whose cosine has no meaning, only T = 0 holds. Compared with the observed map of a fresh run under
    `compare: observed`; see rerun.py. Source: certificates.md section 5.
    """

    name: ClassVar[str] = "cosine"
    summary: ClassVar[str] = "The cosine similarity with the smoothed map stays at least this; for every map"
    source: ClassVar[str] = "Surety: Lagrangian dual over the shifted interval box"
    guarantee: ClassVar[Guarantee] = "probabilistic"

    def claim(self, evidence: Evidence, rho: float) -> Claim:
        value = least_cosine(_box(evidence, rho), evidence.bounds.failures)
        text = (
            f"{promise(evidence)}, the map of the {evidence.noun} shown for {evidence.subject} has a cosine similarity "
            f"of at least {down(value)} with {other_map(evidence)} under {scope(evidence, rho)}."
        )
        return Claim(value, value > 0, text)


@dataclass(frozen=True)
class Box:
    """Observed values and shifted intervals of groups of equal cells, and how many cells each group has."""

    observed: Values
    lower: Values
    upper: Values
    cells: Int[ndarray, " groups"]


def _box(evidence: Evidence, rho: float) -> Box:
    # Cells with equal votes have equal intervals, so many cells make few groups; were some wider, the widest counts.
    order, bounds, shift = evidence.order, evidence.bounds, evidence.shift
    first = np.flatnonzero(np.diff(evidence.votes[order], prepend=-1))
    lower = np.minimum.reduceat(bounds.lower[order], first)
    upper = np.maximum.reduceat(bounds.upper[order], first)
    cells = np.diff(first, append=len(order))
    return Box(evidence.mean[order[first]], shift.lower(lower, rho), shift.upper(upper, rho), cells)


def least_cosine(box: Box, failures: int) -> float:
    """A lower bound of the cosine of the observed map with every map outside the box in at most `failures` cells."""
    shortest = 0.0 if failures else _norm(box.lower, box.cells)
    longest = float(np.hypot(_norm(box.upper, box.cells), np.sqrt(failures)))
    if _norm(box.observed, box.cells) == 0 or longest == 0:
        return 0.0
    # The best t is the length of the worst map, so it is sought between the extremes.
    lengths = (float(np.log(max(shortest, 1e-3 * longest))), float(np.log(longest)))
    low, high = 0.0, 1.0
    while high - low > ACCURACY:
        middle = (low + high) / 2
        low, high = (middle, high) if _holds(box, failures, middle, lengths) else (low, middle)
    return low


def _holds(box: Box, failures: int, cosine: float, lengths: tuple[float, float]) -> bool:
    """Whether some t shows it. The slack is a least value of functions concave in t, so one maximum is to be found."""
    found = minimize_scalar(
        lambda t: -_slack(box, failures, cosine, float(np.exp(t))),
        bounds=lengths,
        method="bounded",
        options={"xatol": 1e-4},
    )
    return bool(found.fun < 0)


def _slack(box: Box, failures: int, cosine: float, t: float) -> float:
    """The least of h.y - T ||h|| (||y||^2 / 2t + t / 2), rounded down: if it is above zero, T holds."""
    weight = cosine * _norm(box.observed, box.cells)
    bend = weight / (2 * t)
    ends = np.stack([box.observed * y - bend * y**2 for y in (box.lower, box.upper)])
    least = ends.min(axis=0)
    # A cell whose interval failed may be anything in [0,1]: at 0 its term is 0.
    loss = least - np.minimum(0.0, box.observed - bend)
    worst = np.argsort(-loss) if failures else np.arange(0)
    before = np.cumsum(box.cells[worst]) - box.cells[worst]
    failed = np.clip(failures - before, 0, box.cells[worst])
    magnitude = np.dot(box.cells, box.observed * box.upper + bend * box.upper**2) + weight * t / 2
    magnitude += failures * (1 + bend)
    total = np.dot(box.cells, least) - np.dot(failed, loss[worst]) - weight * t / 2
    return float(total - ROUNDING * magnitude)


def _norm(values: Values, cells: Int[ndarray, " groups"]) -> float:
    return float(np.sqrt(np.dot(cells, values**2)))
