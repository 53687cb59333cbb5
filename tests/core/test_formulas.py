"""Intervals, shifts, maps and the printed theorem against literal versions of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf

from tests.core.evidence import by_hand
from tests.oracles import formulas
from worker.core.bounds.base import Params as IntervalParams
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.certificates.topk_overlap_as_printed import TopKOverlapAsPrinted
from worker.core.maps.sparsified import Params as Tau
from worker.core.maps.sparsified import Sparsified
from worker.core.noises.gaussian import Gaussian
from worker.core.noises.gaussian import Params as Sigma


@given(
    rows=st.lists(st.lists(st.integers(0, 5), min_size=7, max_size=7), min_size=1, max_size=5),
    tau=st.floats(0.01, 0.99),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_sparsified_keeps_exactly_the_largest(rows: list[list[int]], tau: float) -> None:
    """Few distinct values, so that ties are everywhere."""
    cells = torch.tensor(rows, dtype=torch.float32)
    mapped = Sparsified(Tau(tau=tau))(cells)
    for row, votes, degenerate in zip(rows, mapped.votes.int().tolist(), mapped.degenerate.tolist(), strict=True):
        assert degenerate == (len(set(row)) == 1)
        assert votes == ([0] * 7 if degenerate else formulas.sparsify(row, tau))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_samples_are_degenerate_and_spoil_no_other(bad: float) -> None:
    mapped = Sparsified(Tau(tau=0.3))(torch.tensor([[1.0, bad, 2.0], [1.0, 3.0, 2.0]]))
    assert mapped.degenerate.tolist() == [True, False]
    assert mapped.votes.int().tolist() == [[0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("q", [1, 7, 200])
@pytest.mark.parametrize("cells", [1, 64, 150_528])
def test_clopper_pearson_inverts_the_binomial_tail(q: int, cells: int) -> None:
    """At the bounds the tail probabilities are the per-side error, from the safe side, to nine digits."""
    votes = np.arange(q + 1)
    votes = np.resize(votes, cells) if cells > q else votes[:cells]
    bounds = ClopperPearson(IntervalParams())(votes, q, 1, 0.05)
    assert bounds.side == pytest.approx(0.05 / (2 * cells))
    for k in sorted(set(votes[: q + 1].tolist()))[:: max(1, q // 8)]:
        cell = int(np.flatnonzero(votes == k)[0])
        lower, upper = bounds.lower[cell], bounds.upper[cell]
        if k == 0:
            assert lower == 0.0
        else:
            tail = formulas.binomial_tail(k, q, lower)
            assert tail <= bounds.side and float(tail) == pytest.approx(bounds.side, rel=1e-6)
        if k == q:
            assert upper == 1.0
        else:
            tail = 1 - formulas.binomial_tail(k + 1, q, upper)
            assert tail <= bounds.side * (1 + mpf("1e-9")) and float(tail) == pytest.approx(bounds.side, rel=1e-6)


def test_allowed_failures_widen_the_error_of_each_side() -> None:
    votes = np.arange(50)
    assert ClopperPearson(IntervalParams(allowed_failures=4))(votes, 60, 1, 0.1).side == pytest.approx(5 * 0.1 / 100)


@given(p=st.floats(1e-9, 1 - 1e-9), rho=st.floats(0, 1), sigma=st.floats(0.05, 2))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_gaussian_shift_is_the_half_space_bound_rounded_outwards(p: float, rho: float, sigma: float) -> None:
    noise = Gaussian(Sigma(sigma=sigma))
    exact_low = formulas.phi(formulas.probit(p) - mpf(rho) / mpf(sigma))
    exact_high = formulas.phi(formulas.probit(p) + mpf(rho) / mpf(sigma))
    low, high = float(noise.lower(np.array(p), rho)), float(noise.upper(np.array(p), rho))
    assert mpf(low) <= exact_low and low == pytest.approx(float(exact_low), rel=1e-6, abs=1e-12)
    assert mpf(high) >= exact_high - mpf(10) ** -15 and high == pytest.approx(float(exact_high), rel=1e-6)


@given(low=st.floats(0.01, 0.99), high=st.floats(0.01, 0.99), sigma=st.floats(0.05, 2))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_separation_is_the_radius_where_the_shifted_bounds_meet(low: float, high: float, sigma: float) -> None:
    noise = Gaussian(Sigma(sigma=sigma))
    radius = float(noise.separation(np.array(low), np.array(high)))
    exact = mpf(sigma) / 2 * (formulas.probit(low) - formulas.probit(high))
    assert mpf(radius) < exact and radius == pytest.approx(float(exact), abs=1e-8)
    if radius > 1e-6:
        inside, outside = radius * (1 - 1e-7), float(exact) * (1 + 1e-6) + 1e-8
        assert noise.lower(np.array(low), inside) > noise.upper(np.array(high), inside) - 1e-8
        assert noise.lower(np.array(low), outside) < noise.upper(np.array(high), outside)


def test_means_of_zero_and_one_separate_nothing_by_accident() -> None:
    noise = Gaussian(Sigma(sigma=0.1))
    low, high = np.array([0.0, 1.0, 0.0, 0.5]), np.array([0.0, 1.0, 1.0, 0.5])
    assert (noise.separation(low, high) <= 0).all()


def test_printed_theorem_is_the_printed_formula() -> None:
    rng = np.random.default_rng(1)
    values = set()
    for _ in range(60):
        cells, q, sigma = int(rng.integers(4, 40)), int(rng.integers(200, 20_000)), float(rng.uniform(0.1, 0.5))
        votes = rng.binomial(q, rng.beta(0.4, 0.4, cells))
        size = int(rng.integers(1, cells))
        noise = Gaussian(Sigma(sigma=sigma))
        evidence = by_hand(votes, q, ClopperPearson(IntervalParams())(votes, q, 1, 0.05), noise)
        radii = np.array([0.001, 0.01, 0.05])
        ours = TopKOverlapAsPrinted(TopKOverlapAsPrinted.Params(k=0.5)).certified(evidence, size, radii)
        literal = [formulas.theorem_2((votes / q).tolist(), size, rho, sigma, q, 0.05) for rho in radii.tolist()]
        assert ours.tolist() == literal
        values.update(literal)
    assert len(values) > 5


def test_printed_theorem_never_certifies_all_k() -> None:
    """Its index is off by one: even a perfect gap leaves one member uncertified. The exact one certifies it."""
    votes = np.array([1000] * 5 + [0] * 15)
    noise = Gaussian(Sigma(sigma=0.5))
    evidence = by_hand(votes, 1000, ClopperPearson(IntervalParams())(votes, 1000, 1, 0.05), noise)
    assert TopKOverlapAsPrinted(TopKOverlapAsPrinted.Params()).certified(evidence, 5, np.array([0.01])).tolist() == [4]
