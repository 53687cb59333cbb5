"""Per-cell status by the box rule: certified salient, certified not salient, or abstained."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from worker.core.certificates.evidence import Evidence
from worker.core.certificates.topk import TopKCertifier
from worker.core.certificates.words import other_map, promise, scope
from worker.core.registry import Guarantee


class PixelStatus(TopKCertifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho: a cell marked salient is in
    every top-K set of the population map at x + d, a cell marked not salient in none, whatever breaks ties.

    With f allowed failures, at any one x + d and whatever one way breaks ties, this holds for all but at most f of the
    cells marked salient and all but at most f of those marked not salient (f wrong cells change a top-K set by at most
    f members); the number reported is lowered by f. Cells that are neither are abstained on. Compared with the observed
    map of a fresh run under `compare: observed`; see rerun.py. Source: certificates.md section 5 (box rule).
    """

    name: ClassVar[str] = "pixel_status"
    summary: ClassVar[str] = "Which cells are certified to be among the K most salient, and which not to be"
    source: ClassVar[str] = "Surety: box rule over the shifted intervals"
    guarantee: ClassVar[Guarantee] = "probabilistic"

    def certified(self, evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> Int[ndarray, " radii"]:
        reach = salient_radius(evidence, size)
        counts = np.array([int((reach > rho).sum()) for rho in radii], dtype=np.int64)
        return np.maximum(counts - evidence.bounds.failures, 0)

    def sentence(self, evidence: Evidence, size: int, rho: float, count: int) -> str:
        failures = evidence.bounds.failures
        which = f"all but at most {failures} of the marked" if failures else "each of the"
        marked = count + failures if failures else count
        return (
            f"{promise(evidence)}, {which} {marked} certified {evidence.noun} for {evidence.subject} is among the "
            f"{size} most salient of {other_map(evidence)} under {scope(evidence, rho)}."
        )


def salient_radius(evidence: Evidence, size: int) -> Float[ndarray, " cells"]:
    """The radius below which each cell is in every top-K set; zero or less where it is not certified at all.

    A cell is in every top-K set if fewer than K others can reach it: its own lower bound must exceed the K-th largest
    upper bound among the others.
    """
    return evidence.shift.separation(evidence.bounds.lower, _kth_among_others(evidence.bounds.upper, size))


def not_salient_radius(evidence: Evidence, size: int) -> Float[ndarray, " cells"]:
    """The radius below which each cell is in no top-K set: K others surely exceed its upper bound."""
    return evidence.shift.separation(_kth_among_others(evidence.bounds.lower, size), evidence.bounds.upper)


def _kth_among_others(values: Float[ndarray, " cells"], size: int) -> Float[ndarray, " cells"]:
    """For each cell the K-th largest value among the other cells; -inf where there are fewer than K others."""
    falling = -np.sort(-values)
    following = falling[size] if size < len(values) else -np.inf
    return np.where(values >= falling[size - 1], following, falling[size - 1])
