"""Intervals: against their definitions with 50 digits, against one another, and their coverage, measured."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf
from scipy.stats import binom, binomtest

from tests.oracles import intervals as oracle
from worker.contract.spec import Method
from worker.core.bounds import INTERVALS
from worker.core.bounds.base import Bounds, Interval, Params
from worker.core.bounds.betting import betting_interval, log_wealth, lower_mean, stakes
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.bounds.hoeffding import Hoeffding
from worker.core.bounds.kl import KL
from worker.core.maps.base import RESOLUTION

ALPHA = 0.1
ANY_MAP = [Hoeffding(Params()), KL(Params())]
EVERY = [*ANY_MAP, ClopperPearson(Params())]
Law = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
# Real-valued laws with known means: wide, lopsided, narrow, almost always zero, and a mixture of zeros and values.
LAWS: dict[str, tuple[Law, float]] = {
    "uniform": (lambda rng, shape: rng.random(shape), 0.5),
    "lopsided": (lambda rng, shape: rng.beta(0.3, 1.7, shape), 0.15),
    "narrow": (lambda rng, shape: rng.beta(60, 40, shape), 0.6),
    "coins": (lambda rng, shape: (rng.random(shape) < 0.3).astype(float), 0.3),
    "rare": (lambda rng, shape: np.where(rng.random(shape) < 0.02, rng.random(shape), 0.0), 0.01),
    "near one": (lambda rng, shape: 1 - 0.1 * rng.random(shape) ** 4, 0.98),
}


def names(intervals: list[Interval]) -> list[str]:
    return [interval.name for interval in intervals]


def each_alone(interval: Interval, votes: np.ndarray, samples: int, scale: int) -> Bounds:
    """Intervals for separate samplings of one cell, at alpha / 2 a side: nothing is paid for their number."""
    alone = type(interval)(Params(allowed_failures=len(votes) - 1))(votes, samples, scale, ALPHA)
    assert alone.side == pytest.approx(ALPHA / 2)
    return alone


def histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(values, return_counts=True)


# Definitions


@given(k=st.integers(0, 200), side=st.floats(1e-9, 0.5), q=st.sampled_from([1, 5, 200, 8192]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_kl_is_the_least_mean_that_is_not_refuted(k: int, side: float, q: int) -> None:
    mean = k / 200
    exact = oracle.kl_lower(mean, q, side)
    lower = float(KL(Params()).lower(np.array([mean]), q, side)[0])
    assert mpf(lower) <= exact and lower == pytest.approx(float(exact), rel=1e-5, abs=1e-12)
    upper = float(KL(Params()).upper(np.array([1 - mean]), q, side)[0])
    assert upper == pytest.approx(1 - float(oracle.kl_lower(1 - (1 - mean), q, side)), abs=1e-9)


def test_hoeffding_is_the_printed_width() -> None:
    """Levine's c = sqrt(ln(2m / alpha) / 2q)."""
    votes = np.arange(400, 425)
    bounds = Hoeffding(Params())(votes, 1000, 1, 0.05)
    c = np.sqrt(np.log(2 * 25 / 0.05) / 2000)
    assert votes / 1000 - bounds.lower == pytest.approx(c, rel=1e-9)
    assert bounds.upper - votes / 1000 == pytest.approx(c, rel=1e-9)


@given(mean=st.floats(0, 1), side=st.floats(1e-12, 0.5), q=st.integers(1, 100_000))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_kl_is_never_looser_than_hoeffding(mean: float, side: float, q: int) -> None:
    means = np.array([mean])
    kl, hoeffding = KL(Params()), Hoeffding(Params())
    # Both round outwards; at one half and many samples they differ by less than that.
    assert kl.lower(means, q, side)[0] >= hoeffding.lower(means, q, side)[0] - 1e-9
    assert kl.upper(means, q, side)[0] <= hoeffding.upper(means, q, side)[0] + 1e-9


@pytest.mark.parametrize("q", [1, 30, 2000])
def test_kl_is_never_tighter_than_the_exact_interval_for_coins(q: int) -> None:
    means = np.arange(q + 1) / q
    kl, exact = KL(Params()), ClopperPearson(Params())
    assert (kl.lower(means, q, 0.01) <= exact.lower(means, q, 0.01) + 1e-9).all()
    assert (kl.upper(means, q, 0.01) >= exact.upper(means, q, 0.01) - 1e-9).all()


@pytest.mark.parametrize("interval", ANY_MAP, ids=names(ANY_MAP))
def test_bounds_hold_the_mean_and_stay_in_range(interval: Interval) -> None:
    for q in (1, 2, 1000):
        votes = np.arange(0, q * 64 + 1)
        bounds = interval(votes, q, 64, 0.05)
        assert (bounds.lower >= 0).all() and (bounds.upper <= 1).all()
        assert (bounds.lower <= votes / (64 * q)).all()
        assert (bounds.upper >= np.minimum(votes / (64 * q) + 1 / 64, 1.0)).all(), "what was cut off may be there"
        assert (np.diff(bounds.lower) >= 0).all() and (np.diff(bounds.upper) >= 0).all()
    assert interval(np.array([0]), 10, 1, 0.05).lower[0] == 0.0
    assert interval(np.array([10]), 10, 1, 0.05).upper[0] == 1.0


def test_upper_bounds_near_one_are_rounded_outwards() -> None:
    """There one minus the bound is smaller than what the subtraction rounds."""
    samples = 10**9
    for failed in range(1, 40):
        upper = KL(Params())(np.array([samples - failed]), samples, 1, 0.5).upper[0]
        assert mpf(upper) >= 1 - oracle.kl_lower(mpf(failed) / samples, samples, 0.25)
        upper = ClopperPearson(Params())(np.array([samples - failed]), samples, 1, 0.5).upper[0]
        share = 1 - mpf(upper)
        fewer = sum(oracle.mp.binomial(samples, j) * share**j * (1 - share) ** (samples - j) for j in range(failed))
        assert 1 - fewer <= 0.25 and float(1 - fewer) == pytest.approx(0.25, rel=1e-4)


def test_every_interval_is_offered() -> None:
    assert set(INTERVALS.entries) == {"clopper_pearson", "hoeffding", "kl"}
    assert (
        INTERVALS.build(Method.model_validate({"name": "kl", "allowed_failures": 3}), "").params.allowed_failures == 3
    )


# Coverage of the intervals of the cells


@pytest.mark.parametrize("interval", EVERY, ids=names(EVERY))
@pytest.mark.parametrize("q", [4, 40, 400])
def test_coverage_of_coins_without_simulation(interval: Interval, q: int) -> None:
    """The probability of every count whose interval misses p, summed, each side against its own error."""
    votes = np.arange(q + 1)
    bounds = each_alone(interval, votes, q, 1)
    lower, upper = bounds.lower, bounds.upper
    grid = np.linspace(0.001, 0.999, 999)
    above = [float(binom.pmf(votes, q, p)[lower > p].sum()) for p in grid]
    below = [float(binom.pmf(votes, q, p)[upper < p].sum()) for p in grid]
    print(f"{interval.name}, q = {q}: missed at most {max(above):.4f} and {max(below):.4f} of {ALPHA / 2}")
    assert max(above) <= ALPHA / 2 and max(below) <= ALPHA / 2
    assert max(above) > 0.1 * ALPHA / 2, "far wider intervals than needed would pass too"


RUNS, Q = 4000, 100


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("interval", ANY_MAP, ids=names(ANY_MAP))
def test_coverage_of_real_values_rounded_down_to_votes(interval: Interval, law: str) -> None:
    draw, mean = LAWS[law]
    values = draw(np.random.default_rng(7), (RUNS, Q))
    votes = np.floor(values * RESOLUTION).astype(np.int64).sum(axis=1)
    bounds = each_alone(interval, votes, Q, RESOLUTION)
    missed = int(((bounds.lower > mean) | (bounds.upper < mean)).sum())
    print(f"{interval.name}, {law}: {missed} misses in {RUNS}, width {(bounds.upper - bounds.lower).mean():.4f}")
    assert binomtest(missed, RUNS, ALPHA, alternative="greater").pvalue > 0.01


def test_what_was_cut_off_matters() -> None:
    """At a coarse resolution and many samples, intervals that forget it miss the mean."""
    values = np.random.default_rng(1).random((RUNS, 400))
    votes = np.floor(values * 4).astype(np.int64).sum(axis=1)
    interval = KL(Params())
    told = each_alone(interval, votes, 400, 4)
    forgot = interval.upper(votes / 1600, 400, ALPHA / 2)
    assert not ((told.lower > 0.5) | (told.upper < 0.5)).any()
    assert (forgot < 0.5).mean() > 0.9


def test_simultaneous_coverage_of_many_real_cells() -> None:
    """All cells at once, dependent through a common factor, with and without allowed failures."""
    rng = np.random.default_rng(9)
    cells, q, runs = 40, 60, 2000
    powers = rng.uniform(0.2, 5.0, cells)
    means = 1 / (powers + 1)
    for failures in (0, 2):
        interval = KL(Params(allowed_failures=failures))
        broken = 0
        for _ in range(runs):
            common = rng.random((q, 1))
            own = rng.random((q, cells))
            uniform = np.where(rng.random((q, cells)) < 0.5, common, own)
            votes = np.floor(uniform**powers * RESOLUTION).astype(np.int64).sum(axis=0)
            bounds = interval(votes, q, RESOLUTION, ALPHA)
            broken += int(((bounds.lower > means) | (bounds.upper < means)).sum()) > failures
        print(f"kl, {failures} allowed failures: {broken} violations in {runs}")
        assert binomtest(broken, runs, ALPHA, alternative="greater").pvalue > 0.01


# Betting


@given(
    values=st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=25),
    m=st.floats(0.001, 0.999),
    side=st.floats(1e-6, 0.5),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_wealth_is_money_multiplied_value_by_value_rounded_down(values: list[float], m: float, side: float) -> None:
    levels, counts = histogram(np.array(values))
    exact = oracle.money(m, values, side)
    ours = log_wealth(m, levels, counts, stakes(len(values), side))
    if exact == 0:
        assert ours == -np.inf
    else:
        assert mpf(ours) <= oracle.mp.log(exact)
        assert ours == -np.inf or ours == pytest.approx(float(oracle.mp.log(exact)), abs=1e-6)


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=40), side=st.floats(1e-6, 0.5))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_wealth_falls_with_the_mean(values: list[float], side: float) -> None:
    """So that the means that are not refuted are one interval, and bisection finds its end."""
    levels, counts = histogram(np.array(values))
    bets = stakes(len(values), side)
    wealth = [log_wealth(m, levels, counts, bets) for m in np.linspace(0.005, 0.995, 199).tolist()]
    assert all(after <= before + 1e-9 for before, after in pairwise(wealth))


@pytest.mark.parametrize("number", [1, 2, 10, 1000])
def test_expected_wealth_at_the_true_mean_is_one(number: int) -> None:
    """For coins, summed over all counts: Markov's inequality needs no more than that."""
    votes = np.arange(number + 1)
    bets = stakes(number, 0.05)
    for p in (0.001, 0.03, 0.5, 0.9, 0.999):
        wealth = [log_wealth(p, np.array([0.0, 1.0]), np.array([number - k, k]), bets) for k in votes.tolist()]
        assert float(np.exp(binom.logpmf(votes, number, p) + wealth).sum()) == pytest.approx(1.0, abs=1e-7)


def test_betting_does_not_see_the_order() -> None:
    levels, counts = np.array([0.0, 0.2, 0.7, 1.0]), np.array([5, 0, 11, 2])
    shuffled = np.array([2, 0, 3, 1])
    assert betting_interval(levels, counts, 0.05) == pytest.approx(
        betting_interval(levels[shuffled], counts[shuffled], 0.05), rel=1e-12
    )
    split = betting_interval(np.array([0.0, 0.0, 0.7, 1.0]), np.array([2, 3, 11, 2]), 0.05)
    assert betting_interval(levels, counts, 0.05) == pytest.approx(split, rel=1e-12)


def test_betting_is_symmetric_and_ordered() -> None:
    levels, counts = np.array([0.1, 0.4, 0.8]), np.array([3, 50, 20])
    low, high = betting_interval(levels, counts, 0.05)
    mirror = betting_interval(1 - levels, counts, 0.05)
    mean = float(np.dot(levels, counts) / counts.sum())
    assert 0 < low < mean < high < 1
    assert mirror == pytest.approx((1 - high, 1 - low), abs=1e-12)
    wide = betting_interval(levels, counts, 0.001)
    assert wide[0] < low and high < wide[1]


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5, 1e-300, 1 - 2**-53])
@pytest.mark.parametrize("number", [1, 3, 10**6])
def test_betting_on_one_value_only(value: float, number: int) -> None:
    low, high = betting_interval(np.array([value]), np.array([number]), 0.05)
    assert 0.0 <= low <= value <= high <= 1.0
    assert (low == 0.0) == (value <= 1e-300) and (high == 1.0) == (value >= 1 - 2**-53)


def test_betting_refuses_an_empty_histogram() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        betting_interval(np.array([0.5]), np.array([0]), 0.05)


@pytest.mark.parametrize("q", [5, 60, 600])
def test_betting_coverage_of_coins_without_simulation(q: int) -> None:
    votes = np.arange(q + 1)
    coin = np.array([0.0, 1.0])
    lower = np.array([lower_mean(coin, np.array([q - k, k]), ALPHA / 2) for k in votes.tolist()])
    missed = [float(binom.pmf(votes, q, p)[lower > p].sum()) for p in np.linspace(0.001, 0.999, 999)]
    print(f"betting, q = {q}: missed at most {max(missed):.4f} of {ALPHA / 2}")
    assert max(missed) <= ALPHA / 2
    assert max(missed) > 0.05 * ALPHA / 2


@pytest.mark.parametrize("law", LAWS)
def test_betting_coverage(law: str) -> None:
    """Over many samplings; and the widths, beside the intervals that know nothing of the spread.

    The mean is missed exactly where it is refuted on one side; that the interval's ends say so is checked on some.
    """
    runs, draw, mean = 2000, *LAWS[law]
    values = np.floor(draw(np.random.default_rng(13), (runs, Q)) * 64) / 64
    # The mean of what is counted: the values on their grid.
    truth = float(np.floor(draw(np.random.default_rng(14), (4_000_000,)) * 64).mean() / 64)
    assert truth == pytest.approx(mean, abs=1 / 64)
    missed, widths, bets = 0, [], stakes(Q, ALPHA / 2)
    for run, row in enumerate(values):
        levels, counts = histogram(row)
        above = log_wealth(truth, levels, counts, bets) >= -np.log(ALPHA / 2)
        below = log_wealth(1 - truth, 1 - levels, counts, bets) >= -np.log(ALPHA / 2)
        missed += above or below
        if run % 20 == 0 or above or below:
            low, high = betting_interval(levels, counts, ALPHA)
            assert (low > truth, high < truth) == (above, below)
            widths += [high - low] if run % 20 == 0 else []
    width, means = float(np.mean(widths)), values.mean(axis=1)
    kl, hoeffding = ((i.upper(means, Q, ALPHA / 2) - i.lower(means, Q, ALPHA / 2)).mean() for i in ANY_MAP[::-1])
    print(f"betting, {law}: {missed} misses in {runs}; width {width:.4f}, kl {kl:.4f}, hoeffding {hoeffding:.4f}")
    assert binomtest(missed, runs, ALPHA, alternative="greater").pvalue > 0.01
    # For zeros and ones Chernoff's bound is not beaten; what the other bets cost there is little.
    assert width < 1.2 * kl


def test_the_measurement_of_betting_can_fail() -> None:
    """The interval of the normal approximation, at the same alpha, misses rare values far too often."""
    draw, mean = LAWS["rare"]
    values = draw(np.random.default_rng(13), (2000, Q))
    error = 1.645 * values.std(axis=1) / np.sqrt(Q)
    missed = int((np.abs(values.mean(axis=1) - mean) > error).sum())
    assert binomtest(missed, 2000, ALPHA, alternative="greater").pvalue < 1e-6
