"""Kendall's rank correlation: pairs of cells that surely keep their order."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from worker.contract.errors import InvalidSpec
from worker.core.certificates.base import Certifier, Claim
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.words import down, other_map, promise, scope
from worker.core.registry import Guarantee


class Kendall(Certifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, Kendall's rank correlation of
    the observed map with the population map at x + d is at least this value, every tied pair counted as discordant.

    tau >= 2 C / P - 1 with P = m (m - 1) / 2 pairs, of which C have their order in every map of the shifted box: the
    lower bound of one cell exceeds the upper bound of the other. The observed map lies inside the intervals, so it has
    the same order. A pair tied in either map is never among the C, so the value bounds tau-a (where ties count zero)
    too; tau-b is another number. The worst case of every pair may not be attained by one map, so this need not be
    tight.

    With f allowed failures C is lowered by the f largest numbers of ordered pairs that one cell is in: a wrong interval
    spoils no pair without its cell. Compared with the observed map of a fresh run under `compare: observed`; see
    rerun.py. Raises: InvalidSpec for fewer than two cells.
    """

    name: ClassVar[str] = "kendall"
    summary: ClassVar[str] = "Kendall's rank correlation with the smoothed map stays at least this; ties count against"
    source: ClassVar[str] = "Surety: ordered pairs of the shifted interval box"
    guarantee: ClassVar[Guarantee] = "probabilistic"

    def check(self, evidence: Evidence, pointer: str) -> None:
        if evidence.cells < 2:
            raise InvalidSpec("A rank correlation needs at least two cells.", pointer=f"{pointer}/name")

    def claim(self, evidence: Evidence, rho: float) -> Claim:
        pairs = evidence.cells * (evidence.cells - 1) // 2
        ordered = ordered_pairs(evidence, rho)
        # Division rounds to the nearest number; the next one below is on the safe side.
        value = max(-1.0, math.nextafter((2 * ordered - pairs) / pairs, -math.inf))
        text = (
            f"{promise(evidence)}, at least {ordered} of the {pairs} pairs of {evidence.noun} shown for "
            f"{evidence.subject} keep their order in {other_map(evidence)} under {scope(evidence, rho)}, so that "
            f"Kendall's rank correlation with the map shown is at least {down(value)}, tied pairs counted against it."
        )
        return Claim(value, ordered > 0, text)


def ordered_pairs(evidence: Evidence, rho: float) -> int:
    """How many pairs have one order in every map of the box shifted by rho, less what allowed failures can spoil."""
    lower = evidence.shift.lower(evidence.bounds.lower, rho)
    upper = evidence.shift.upper(evidence.bounds.upper, rho)
    below = np.searchsorted(np.sort(upper), lower, side="left")
    failures = evidence.bounds.failures
    spoiled = 0
    if failures:
        above = evidence.cells - np.searchsorted(np.sort(lower), upper, side="right")
        spoiled = _largest(below + above, failures)
    return max(0, int(below.sum()) - spoiled)


def _largest(values: Int[ndarray, " cells"], count: int) -> int:
    """The sum of the `count` largest."""
    return int(np.sort(values)[-count:].sum())
