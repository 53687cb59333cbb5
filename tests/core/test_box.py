"""Certificates against brute force over all vertices of the box of intervals."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.evidence import by_hand
from tests.oracles import overlap
from worker.core.bounds.base import Bounds
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.pixel_status import not_salient_radius, salient_radius
from worker.core.certificates.topk_overlap import TopKOverlap, loss_radii
from worker.core.noises.gaussian import Gaussian, Params

CASES = 400


def random_case(rng: np.random.Generator, ties: bool) -> tuple[Evidence, int, float]:
    """Up to nine cells with intervals around observed means, sometimes on a coarse grid so that ties abound."""
    cells = int(rng.integers(3, 10))
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
        by_hand(votes, 1000, Bounds(lower, upper, 0.05, 0.01, 0), noise),
        size,
        float(rng.uniform(0, 0.1)),
    )


def box(evidence: Evidence, rho: float) -> tuple[list[float], list[float]]:
    """The shifted box; at radius zero exactly the intervals themselves."""
    bounds, noise = evidence.bounds, evidence.noise
    if rho == 0:
        return bounds.lower.tolist(), bounds.upper.tolist()
    return noise.lower(bounds.lower, rho).tolist(), noise.upper(bounds.upper, rho).tolist()


@pytest.mark.parametrize("ties", [False, True])
def test_overlap_is_exactly_the_worst_vertex(ties: bool) -> None:
    rng = np.random.default_rng(17)
    seen = set()
    for case in range(CASES):
        evidence, size, rho = random_case(rng, ties)
        rho = 0.0 if case % 4 == 0 else rho
        lost = int(np.searchsorted(loss_radii(evidence, size), rho, side="right"))
        worst = overlap.worst_overlap(*box(evidence, rho), evidence.order[:size].tolist(), size)
        assert size - lost == worst
        seen.add(worst)
    assert len(seen) > 4, "the cases must differ, or equality says little"


def test_allowed_failures_cost_one_member_each() -> None:
    """One wrong interval, wherever it is, lowers the worst overlap by at most one."""
    rng = np.random.default_rng(23)
    for _ in range(150):
        evidence, size, rho = random_case(rng, ties=False)
        lower, upper = box(evidence, rho)
        chosen = evidence.order[:size].tolist()
        worst = overlap.worst_overlap(lower, upper, chosen, size)
        for cell in range(evidence.cells):
            wild_low, wild_high = list(lower), list(upper)
            wild_low[cell], wild_high[cell] = 0.0, 1.0
            assert overlap.worst_overlap(wild_low, wild_high, chosen, size) >= worst - 1


def test_reported_overlap_subtracts_the_failures() -> None:
    rng = np.random.default_rng(29)
    evidence, size, _ = random_case(rng, ties=False)
    certifier = TopKOverlap(TopKOverlap.Params(k=0.5))
    plain = certifier.certified(evidence, size, np.array([0.0]))[0]
    bounds = evidence.bounds
    allowed = by_hand(evidence.votes, 1000, Bounds(bounds.lower, bounds.upper, 0.05, 0.01, 1), evidence.noise)
    assert certifier.certified(allowed, size, np.array([0.0]))[0] == max(0, plain - 1)


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
