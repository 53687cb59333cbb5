"""Certificates against brute force over all vertices of the box of intervals."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from tests.core.evidence import by_hand
from tests.oracles import overlap
from worker.core.bounds.base import Bounds
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.pixel_status import not_salient_radius, salient_radius
from worker.core.certificates.topk_overlap import TopKOverlap
from worker.core.noises.gaussian import Gaussian, Params

CASES = 400


def random_case(rng: np.random.Generator, ties: bool, cells: int = 9, failures: int = 0) -> tuple[Evidence, int, float]:
    """Up to `cells` cells with intervals around observed means, sometimes on a coarse grid so that ties abound."""
    cells = int(rng.integers(3, cells + 1))
    size = int(rng.integers(1, cells))
    means = rng.uniform(0.05, 0.95, cells)
    width = rng.uniform(0.0, 0.25, (2, cells))
    if ties:
        # Sixteenths are exact in binary, so that equal stays equal.
        means, width = np.round(means * 16) / 16, np.round(width * 16) / 16
    lower, upper = np.clip(means - width[0], 1 / 64, 63 / 64), np.clip(means + width[1], 1 / 64, 63 / 64)
    votes = np.rint(means * 1000).astype(np.int64)
    noise = Gaussian(Params(sigma=float(rng.uniform(0.1, 0.5))))
    return (
        by_hand(votes, 1000, Bounds(lower, upper, 0.05, 0.01, failures), noise),
        size,
        float(rng.uniform(0, 0.1)),
    )


def box(evidence: Evidence, rho: float) -> tuple[list[float], list[float]]:
    """The shifted box; at radius zero exactly the intervals themselves."""
    bounds, noise = evidence.bounds, evidence.noise
    if rho == 0:
        return bounds.lower.tolist(), bounds.upper.tolist()
    return noise.lower(bounds.lower, rho).tolist(), noise.upper(bounds.upper, rho).tolist()


def certified(evidence: Evidence, size: int, rho: float) -> int:
    return int(TopKOverlap(TopKOverlap.Params()).certified(evidence, size, np.array([rho]))[0])


@pytest.mark.parametrize("ties", [False, True])
def test_overlap_is_exactly_the_worst_vertex(ties: bool) -> None:
    rng = np.random.default_rng(17)
    seen = set()
    for case in range(CASES):
        evidence, size, rho = random_case(rng, ties)
        rho = 0.0 if case % 4 == 0 else rho
        worst = overlap.worst_overlap(*box(evidence, rho), evidence.order[:size].tolist(), size)
        assert certified(evidence, size, rho) == worst
        seen.add(worst)
    assert len(seen) > 4, "the cases must differ, or equality says little"


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("failures", "cells"), [(1, 7), (2, 7), (3, 6)])
def test_allowed_failures_are_counted_exactly(failures: int, cells: int, ties: bool) -> None:
    """Every choice of the cells that fail, these at 0 or 1, all others at an end of their interval: no overlap is less
    than what is certified, and one is equal to it."""
    rng = np.random.default_rng(23)
    saved, seen = 0, set()
    for case in range(60):
        evidence, size, rho = random_case(rng, ties, cells, failures)
        rho = 0.0 if case % 4 == 0 else rho
        lower, upper = box(evidence, rho)
        chosen = evidence.order[:size].tolist()
        worst = size
        for wild in combinations(range(evidence.cells), min(failures, evidence.cells)):
            low = [0.0 if cell in wild else value for cell, value in enumerate(lower)]
            high = [1.0 if cell in wild else value for cell, value in enumerate(upper)]
            worst = min(worst, overlap.worst_overlap(low, high, chosen, size))
        assert certified(evidence, size, rho) == worst
        none = overlap.worst_overlap(lower, upper, chosen, size)
        saved += worst > max(0, none - failures)
        seen.add((size, worst))
    assert saved > 5, "counting one member for each failure must be too much in some cases"
    assert len(seen) > 5


def test_many_failures_leave_what_no_map_can_take() -> None:
    """Of six cells the four largest: two of them are among the four largest of any map."""
    votes, bounds = np.arange(6), Bounds(np.zeros(6), np.ones(6), 0.05, 0.01, 100)
    evidence = by_hand(votes, 1000, bounds, Gaussian(Params(sigma=0.3)))
    assert [certified(evidence, size, 0.5) for size in range(1, 7)] == [0, 0, 0, 2, 4, 6]


@pytest.mark.parametrize("ties", [False, True])
def test_status_is_exactly_what_every_vertex_agrees_on(ties: bool) -> None:
    rng = np.random.default_rng(31)
    marked = 0
    for case in range(CASES // 2):
        evidence, size, rho = random_case(rng, ties)
        rho = 0.0 if case % 4 == 0 else rho
        lower, upper = box(evidence, rho)
        salient, outside = salient_radius(evidence, size) > rho, not_salient_radius(evidence, size) > rho
        for cell in range(evidence.cells):
            assert salient[cell] == overlap.always_in(lower, upper, cell, size)
            assert outside[cell] == overlap.never_in(lower, upper, cell, size)
        marked += int(salient.sum() + outside.sum())
    assert marked > 200
