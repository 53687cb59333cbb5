"""Certified rank, vote status, Kendall and cosine against brute force over all vertices of the box of intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from tests.core.boxes import SAMPLES, box, random_box
from tests.core.evidence import by_hand
from tests.oracles import formulas, similarity
from tests.oracles.overlap import always_in
from worker.contract.errors import InvalidSpec
from worker.core.bounds.base import Bounds
from worker.core.certificates.base import Radii
from worker.core.certificates.certified_rank import CertifiedRank
from worker.core.certificates.cosine import Cosine
from worker.core.certificates.kendall import Kendall
from worker.core.certificates.pixel_status import salient_radius
from worker.core.certificates.pixel_status_votes import VoteStatus, vote_radius
from worker.core.noises.gaussian import Gaussian, Params

CASES = 400


@pytest.mark.parametrize("ties", [False, True])
def test_counted_ranks_are_exactly_those_that_hold_in_every_vertex(ties: bool) -> None:
    rng = np.random.default_rng(41)
    seen = set()
    for _ in range(CASES):
        evidence, rho = random_box(rng, ties=ties, cells=7)
        k, factor = rng.uniform(1, evidence.cells) / evidence.cells * 0.999, float(rng.choice([1.0, 1.5, 2.0]))
        size = evidence.size(float(k), "")
        reach = math.floor(factor * size + 1e-9)
        if reach >= evidence.cells:
            continue
        claim = CertifiedRank(CertifiedRank.Params(k=k, factor=factor)).claim(evidence, rho)
        lower, upper = evidence.bounds.lower.tolist(), evidence.bounds.upper.tolist()
        lower, upper = box(evidence, rho) if rho else (lower, upper)
        held = [always_in(lower, upper, cell, reach) for cell in evidence.order[:size].tolist()]
        assert (claim.certified, claim.k, claim.value) == (sum(held), size, sum(held) / size)
        seen.add((sum(held), size))
    assert len(seen) > 8, "the cases must differ, or equality says little"


def test_ranks_hold_while_some_intervals_fail() -> None:
    """Whatever up to f cells are in truth, as many of the top-K set rank among the first as was claimed."""
    rng = np.random.default_rng(43)
    some = 0
    for case in range(300):
        failures = 1 + case % 2
        evidence, rho = random_box(rng, ties=case % 3 == 0, cells=6, failures=failures)
        certifier = CertifiedRank(CertifiedRank.Params(k=0.4, factor=1.5))
        size = evidence.size(0.4, "")
        claimed = certifier.claim(evidence, rho).certified
        assert claimed is not None
        some += claimed > 0
        chosen, reach = evidence.order[:size].tolist(), math.floor(1.5 * size)
        for values in similarity.maps(*box(evidence, rho), failures):
            # The top set has exactly `reach` members: its ties are broken against the chosen ones.
            order = sorted(range(len(values)), key=lambda cell: (-values[cell], cell in chosen))
            assert len(set(chosen) & set(order[:reach])) >= claimed
    assert some > 30


def test_a_rank_that_takes_in_all_cells_is_refused() -> None:
    evidence, _ = random_box(np.random.default_rng(1), ties=False)
    with pytest.raises(InvalidSpec, match="smaller factor") as raised:
        CertifiedRank(CertifiedRank.Params(k=0.6)).check(evidence, "/spec/certificates/0")
    assert raised.value.pointer == "/spec/certificates/0/factor"


def test_theorem_3_bounds_the_certified_rank_by_the_median_rank() -> None:
    """Levine's Theorem 3: a median rank of at most ceil(tau m) gives a certified rank of at most ceil(tau m) / L(1/2).

    With Hoeffding's intervals, on which it is stated; ranks and medians from the samples, not from the votes.
    """
    rng = np.random.default_rng(47)
    checked, closest = 0, 0.0
    for _ in range(60):
        cells, q, sigma, rho = 40, 801, 0.3, float(rng.uniform(0.001, 0.05))
        kept = math.ceil(float(rng.uniform(0.05, 0.3)) * cells)
        scores = rng.normal(size=(q, cells)) + rng.normal(scale=rng.uniform(0.5, 3), size=cells)
        ranks = (-scores).argsort(axis=1).argsort(axis=1) + 1
        votes = (ranks <= kept).sum(axis=0)
        c = math.sqrt(math.log(2 * cells / 0.05) / (2 * q))
        bounds = Bounds(np.clip(votes / q - c, 0, 1), np.clip(votes / q + c, 0, 1), 0.05, 0.05 / (2 * cells), 0)
        evidence = by_hand(votes, q, bounds, Gaussian(Params(sigma=sigma)))
        floor = float(formulas.phi(formulas.probit(0.5 - c) - 2 * rho / sigma)) - c
        radii = np.array([salient_radius(evidence, rank) for rank in range(1, cells)])
        certified = np.where((radii > rho).any(axis=0), 1 + (radii > rho).argmax(axis=0), cells)
        near = np.median(ranks, axis=0) <= kept
        if floor > 0:
            assert (certified[near] <= kept / floor).all()
            checked += int(near.sum())
            closest = max(closest, float(certified[near].max(initial=0) * floor / kept))
    assert checked > 200
    print(f"Theorem 3: {checked} cells; the certified rank reaches {closest:.2f} of its bound")


@pytest.mark.parametrize("failures", [0, 2])
def test_vote_status_counts_cells_whose_frequency_stays_above_one_half(failures: int) -> None:
    rng = np.random.default_rng(53)
    marked = 0
    for case in range(CASES):
        evidence, rho = random_box(rng, ties=case % 2 == 0, failures=failures)
        size = evidence.size(0.5, "")
        lower = box(evidence, rho)[0] if rho else evidence.bounds.lower.tolist()
        held = sum(lower[cell] > 0.5 for cell in evidence.order[:size].tolist())
        claim = VoteStatus(VoteStatus.Params(k=0.5)).claim(evidence, rho)
        assert claim.certified == max(0, held - failures)
        marked += held
    assert marked > 200


def test_vote_radius_is_that_of_cohen() -> None:
    evidence, _ = random_box(np.random.default_rng(3), ties=False)
    cohen = evidence.noise.params.sigma * norm.ppf(evidence.bounds.lower)
    certified = evidence.bounds.lower > 0.5
    assert vote_radius(evidence)[certified] == pytest.approx(cohen[certified], abs=1e-8)
    assert (vote_radius(evidence)[~certified] <= 0).all()


@pytest.mark.parametrize(("failures", "cells"), [(0, 8), (1, 6), (2, 6)])
def test_kendall_holds_in_every_vertex(failures: int, cells: int) -> None:
    rng = np.random.default_rng(59)
    gaps = []
    for case in range(CASES if not failures else 150):
        evidence, rho = random_box(rng, ties=case % 2 == 0, cells=cells, failures=failures)
        lower, upper = box(evidence, rho)
        shown = evidence.mean.tolist()
        worst = min(similarity.kendall(shown, values) for values in similarity.maps(lower, upper, failures))
        value = Kendall(Radii()).claim(evidence, rho).value
        assert value <= worst
        gaps.append(worst - value)
    print(f"kendall, {failures} failures: exact in {np.mean(np.array(gaps) < 1e-9):.2f}, mean gap {np.mean(gaps):.3f}")
    assert np.mean(np.array(gaps) < 1e-9) > 0.25


def test_kendall_counts_pairs_as_the_definition_does() -> None:
    rng = np.random.default_rng(61)
    for case in range(CASES):
        evidence, rho = random_box(rng, ties=case % 2 == 0)
        lower, upper = box(evidence, rho)
        ordered = sum(low > high for low in lower for high in upper)
        m = evidence.cells
        assert Kendall(Radii()).claim(evidence, rho).value == pytest.approx(4 * ordered / (m * (m - 1)) - 1, abs=1e-12)


@pytest.mark.parametrize(("failures", "cells"), [(0, 8), (1, 6), (2, 5)])
def test_cosine_holds_in_every_vertex(failures: int, cells: int) -> None:
    """The least cosine over a box is at a vertex: {y : h.y >= T |h||y|} is convex."""
    rng = np.random.default_rng(67)
    gaps = []
    for case in range(100 if failures else 300):
        evidence, rho = random_box(rng, ties=case % 2 == 0, cells=cells, failures=failures)
        lower, upper = box(evidence, rho)
        shown = evidence.mean.tolist()
        worst = min(similarity.cosine(shown, values) for values in similarity.maps(lower, upper, failures))
        value = Cosine(Radii()).claim(evidence, rho).value
        assert value <= worst
        gaps.append(worst - value)
    small = np.mean(np.array(gaps) < 0.01)
    print(f"cosine, {failures} failures: within 0.01 in {small:.2f}, mean gap {np.mean(gaps):.4f}, max {max(gaps):.3f}")
    # What is lost with failures comes from their size among few cells: one of six may go anywhere.
    assert failures or small > 0.5


def test_cosine_is_tight_for_many_cells() -> None:
    """Against a scan of likely worst vertices, whose least cosine is attained: the gap is at most what that shows."""
    rng = np.random.default_rng(71)
    for cells in (100, 2000):
        votes = np.rint(rng.beta(0.5, 2, cells) * SAMPLES).astype(np.int64)
        lower, upper = np.clip(votes / SAMPLES - 0.05, 0, 1), np.clip(votes / SAMPLES + 0.05, 0, 1)
        evidence = by_hand(votes, SAMPLES, Bounds(lower, upper, 0.05, 0.01, 0), Gaussian(Params(sigma=0.3)))
        value = Cosine(Radii()).claim(evidence, 0.02).value
        low, high = (np.array(side) for side in box(evidence, 0.02))
        shown, worst = evidence.mean, 1.0
        for slope in np.linspace(0.0, 3.0, 601):
            # A bad vertex is high where the observed value is small beside the middle of the interval.
            y = np.where(shown < slope * (low + high) / 2, high, low)
            worst = min(worst, float(shown @ y / np.linalg.norm(shown) / np.linalg.norm(y)))
        assert value <= worst and worst - value < 0.005
        print(f"cosine, {cells} cells: certified {value:.4f}, attained {worst:.4f}")


def test_a_box_that_reaches_the_zero_map_certifies_no_cosine() -> None:
    evidence = by_hand(
        np.array([50, 100, 10]),
        SAMPLES,
        Bounds(np.zeros(3), np.full(3, 0.2), 0.05, 0.01, 0),
        Gaussian(Params(sigma=0.3)),
    )
    claim = Cosine(Radii()).claim(evidence, 0.01)
    assert claim.value == 0.0 and not claim.proven


def test_equal_votes_with_unequal_intervals_are_taken_at_the_widest() -> None:
    """The service gives equal votes equal intervals; were that to change, the cosine would still hold."""
    votes, lower, upper = np.array([400, 400, 900]), np.array([0.1, 0.35, 0.8]), np.array([0.45, 0.7, 0.9])
    evidence = by_hand(votes, SAMPLES, Bounds(lower, upper, 0.05, 0.01, 0), Gaussian(Params(sigma=0.3)))
    worst = min(similarity.cosine(evidence.mean.tolist(), y) for y in similarity.maps(*box(evidence, 0.01), 0))
    assert 0.5 < Cosine(Radii()).claim(evidence, 0.01).value <= worst
