"""Certificates from their definitions, slow and plain: for each method what it may claim at most at one radius."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from worker.verify.box import NORMAL, Box

Levels = Int[ndarray, " levels"]
Params = Mapping[str, Any]
# Levine's printed theorem compares computed means, which may tie; ties go to the document.
TIE = 1e-12


class Most(NamedTuple):
    """The greatest value that may be claimed, and of a top-K set the number of cells."""

    value: float
    certified: int | None = None


class Found(NamedTuple):
    """What a certificate is drawn from: the intervals at x, the same moved by rho, and the run they are of."""

    here: Box
    there: Box
    rho: float
    samples: int
    scale: int
    alpha: float
    sigma: float | None

    @property
    def all_cells(self) -> int:
        return int(self.here.cells.sum())


def size_of(params: Params, found: Found) -> int:
    """K = ceil(k m)."""
    return math.ceil(float(params["k"]) * found.all_cells - 1e-9)


def reaching(box: Box) -> Levels:
    """How many other cells may have a value as large as a cell of each level: its own upper bound is one of those that
    are not below its lower bound."""
    uppers = np.sort(np.repeat(box.upper, box.cells))
    return np.asarray(len(uppers) - np.searchsorted(uppers, box.lower, side="left") - 1)


def topk_overlap(params: Params, found: Found) -> Most:
    """K less the most members that can be exchanged: the worst j inside against the best j outside.

    Of the failures `spared` make members of S small whatever their interval says, the others make rivals large.
    """
    size, box = size_of(params, found), found.there
    inside = box.top(size)
    lows = np.sort(np.repeat(box.lower, inside))
    highs = np.sort(np.repeat(box.upper, box.cells - inside))[::-1]
    spared = np.arange(box.failures + 1)

    def can_go(members: int) -> bool:
        inner, outer = members - spared, members - (box.failures - spared)
        free = (inner <= 0) | (outer <= 0)
        return bool((free | (highs[np.maximum(outer, 1) - 1] >= lows[np.maximum(inner, 1) - 1])).any())

    # Whoever can lose j members can lose fewer.
    safe, lost = min(len(lows), len(highs)) + 1, 0
    while safe - lost > 1:
        middle = (lost + safe) // 2
        lost, safe = (middle, safe) if can_go(middle) else (lost, middle)
    return _share(size - lost, size)


def topk_overlap_as_printed(params: Params, found: Found) -> Most:
    """The largest i <= K with L^(h_[i]) >= h_[2K-i]: Levine et al. 2019, Theorem 2, Hoeffding's intervals."""
    size, cells = size_of(params, found), found.all_cells
    error = math.sqrt(math.log(2 * cells / found.alpha) / (2 * found.samples))
    error += 0.0 if found.scale == 1 else 1 / found.scale
    h = np.repeat(found.here.means, found.here.cells)

    def least(mean: float) -> float:
        p = min(1.0, mean - error)
        return (NORMAL.cdf(NORMAL.inv_cdf(p) - 2 * found.rho / float(found.sigma or 0)) if 0 < p < 1 else 0.0) - error

    for i in range(size, max(1, 2 * size - cells) - 1, -1):
        if least(float(h[i - 1])) >= h[2 * size - i - 1] - TIE:
            return _share(i, size)
    return _share(0, size)


def pixel_status(params: Params, found: Found) -> Most:
    """Cells that fewer than K others can reach."""
    size, box = size_of(params, found), found.there
    return _share(int(box.cells[reaching(box) < size].sum()) - box.failures, size)


def certified_rank(params: Params, found: Found) -> Most:
    """Cells of the top-K set whose rank, 1 + the number of others that can reach them, is at most floor(factor K)."""
    size, box = size_of(params, found), found.there
    most = math.floor(float(params["factor"]) * size + 1e-9)
    return _share(int(box.top(size)[1 + reaching(box) <= most].sum()) - box.failures, size)


def vote_status(params: Params, found: Found) -> Most:
    """Cells of the top-K set that more than half of the noisy images at x + d vote for."""
    size, box = size_of(params, found), found.there
    return _share(int(box.top(size)[box.lower > 0.5].sum()) - box.failures, size)


def kendall(_params: Params, found: Found) -> Most:
    """2 C / P - 1, C pairs that are apart in every map of the box; a failed cell spoils all pairs that it is in."""
    box, cells = found.there, found.all_cells
    lowers, uppers = (np.sort(np.repeat(ends, box.cells)) for ends in (box.lower, box.upper))
    under = np.searchsorted(uppers, box.lower, side="left")
    over = cells - np.searchsorted(lowers, box.upper, side="right")
    pairs = int((box.cells * under).sum())
    if box.failures:
        pairs -= int(np.sort(np.repeat(under + over, box.cells))[::-1][: box.failures].sum())
    return Most(4 * max(0, pairs) / (cells * (cells - 1)) - 1)


def _share(count: int, size: int) -> Most:
    return Most(max(0, count) / size, max(0, count))


LITERAL: dict[str, Callable[[Params, Found], Most]] = {
    "topk_overlap": topk_overlap,
    "topk_overlap_as_printed": topk_overlap_as_printed,
    "pixel_status": pixel_status,
    "certified_rank": certified_rank,
    "vote_status": vote_status,
    "kendall": kendall,
}
