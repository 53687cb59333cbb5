"""Judging a move: what of a certificate the smoothed map at the moved image breaks, from fresh samples of it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.optimize import minimize_scalar

from worker.core.bounds.base import Bounds, Params
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.topk import TopK
from worker.core.certificates.topk_overlap import TopKOverlap
from worker.core.statistics.counts import Counts

# The intervals at the moved image all hold with probability 1 - MISJUDGED, for each judged move.
MISJUDGED = 1e-4
# Planted claims allow for no sampling error and for this share of the radius only.
PLANTED = (0.0, 0.25, 0.5, 1.0)
# Added to the greatest cosine that the search finds; its own error is far smaller.
SEARCH = 1e-6


class Found(NamedTuple):
    """What is left of the observed map at the moved image: by the estimated map there, and at most, by any map inside
    the estimate's intervals. A claim above `at_most` is broken beyond the doubt of the estimate."""

    overlap: int
    overlap_at_most: int
    marked_lost: int
    marked_lost_at_least: int
    cosine: float
    cosine_at_most: float


def judge(evidence: Evidence, size: int, marked: ndarray, there: Counts) -> Found:
    """The observed map, its top-K set of `size` and the cells certified salient, `marked`, beside the map `there`."""
    bounds = ClopperPearson(Params())(there.votes, there.samples, 1, MISJUDGED)
    mean = there.votes / there.samples
    inside = np.zeros(evidence.cells, dtype=np.bool_)
    inside[evidence.order[:size]] = True
    top = np.argsort(-there.votes, kind="stable")[:size]
    return Found(
        overlap=int(inside[top].sum()),
        overlap_at_most=overlap_at_most(inside, bounds),
        marked_lost=int(marked.sum() - marked[top].sum()),
        marked_lost_at_least=int((marked & _surely_outside(bounds, size)).sum()),
        cosine=_cosine(evidence.mean, mean),
        cosine_at_most=cosine_at_most(evidence.mean, bounds),
    )


def overlap_at_most(inside: ndarray, bounds: Bounds) -> int:
    """The most members of a top-K set that a map inside the intervals can keep, ties in the set's favour: with the
    members at their upper ends and all others at their lower ends."""
    size, best = int(inside.sum()), np.where(inside, bounds.upper, bounds.lower)
    top = np.lexsort((~inside, -best))[:size]
    return int(inside[top].sum())


def _surely_outside(bounds: Bounds, size: int) -> ndarray:
    """Cells that K others surely exceed: then they are in no top-K set."""
    return np.asarray(bounds.upper < np.sort(bounds.lower)[-size])


def cosine_at_most(observed: ndarray, bounds: Bounds) -> float:
    """The greatest cosine of the observed map h with a map inside the intervals, up to SEARCH.

    For each length t, h.y - T ||h|| (||y||^2 / 2t + t / 2) is greatest where y is a multiple of h, clipped to the
    intervals; so the best map is one of those, and the multiple is sought: on a grid, then around the best of it.
    """
    shown = observed > 0
    if not shown.any():
        return 0.0
    ends = np.concatenate([end[shown] / observed[shown] for end in (bounds.lower, bounds.upper)])
    grid = np.geomspace(max(ends.min(), 1e-3 * ends.max()), ends.max(), 201)

    def cosine(multiple: float) -> float:
        return _cosine(observed, np.clip(multiple * observed, bounds.lower, bounds.upper))

    best = int(np.argmax([cosine(multiple) for multiple in grid]))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    refined = minimize_scalar(lambda multiple: -cosine(multiple), bounds=around, method="bounded")
    return max(cosine(grid[best]), -float(refined.fun)) + SEARCH


def planted(evidence: Evidence, size: int, rho: float) -> list[int]:
    """Overlaps that no theorem allows to claim within rho: from the observed means as if they were the truth, shifted
    by a share of the radius only."""
    bounds = replace(evidence.bounds, lower=evidence.mean, upper=evidence.mean, failures=0)
    overlap = TopKOverlap(TopK(k=size / evidence.cells))
    radii = np.array([share * rho for share in PLANTED])
    return [int(claim) for claim in overlap.certified(replace(evidence, bounds=bounds), size, radii)]


def _cosine(one: ndarray, other: ndarray) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0
