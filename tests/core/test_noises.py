"""The noise laws: what is drawn, and how far a mean can move, against integrals, closed forms and half-spaces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf
from scipy.special import ndtr, ndtri
from scipy.stats import beta, binom, binomtest, kstest
from torch import Tensor, nn

from tests.oracles import noise as oracle
from worker.contract.spec import ExplanationSpec
from worker.core.bounds.base import Params as Exact
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.noises.base import Noise, stream
from worker.core.noises.gaussian import Gaussian
from worker.core.noises.gaussian import Params as Sigma
from worker.core.noises.gaussian_lecuyer import GaussianLecuyer
from worker.core.noises.uniform_ball import SHORTER, Params, UniformBall
from worker.core.pipeline import certify, plan, sample
from worker.core.statistics.segments import Segments

DIMENSIONS = [1, 2, 3, 8, 64, 784, 3072, 150_528]


def ball(r: float, n: int) -> UniformBall:
    return UniformBall(Params(r=r)).for_elements(n)


def one(bound: object) -> float:
    return float(np.asarray(bound))


# Draws from the ball


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize("r", [1e-4, 0.3, 77.0])
def test_no_draw_leaves_the_ball(n: int, r: float) -> None:
    """Lengths in double precision of what is really added, in single precision; in high dimensions most lie just
    inside the sphere, so that rounding up would show."""
    rows = 50 if n > 10_000 else 4000
    drawn = ball(r, n).draw(5, 0, (rows, n))
    assert str(drawn.dtype) == "torch.float32" and drawn.shape == (rows, n)
    lengths = drawn.double().norm(dim=1).numpy()
    assert lengths.max() <= r
    assert lengths.max() > 0.9 * r
    if n == 150_528:
        assert lengths.min() > r * (1 - 1e-4)


@pytest.mark.parametrize("n", DIMENSIONS)
def test_lengths_are_those_of_a_uniform_ball(n: int) -> None:
    """Length^n is uniform if volume is."""
    rows = 200 if n > 10_000 else 3000
    lengths = ball(0.5, n).draw(1, 2, (rows, n)).double().norm(dim=1).numpy()
    assert kstest((lengths / (0.5 * SHORTER)) ** n, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("n", [1, 2, 3, 8, 64, 784])
def test_projections_are_those_of_a_uniform_ball(n: int) -> None:
    """Along any direction (1 + u / r) / 2 has the law Beta((n+1)/2, (n+1)/2)."""
    rng = np.random.default_rng(n)
    direction = rng.normal(size=n)
    direction /= np.linalg.norm(direction)
    drawn = ball(0.7, n).draw(3, 1, (4000, n)).double().numpy()
    for along in (direction, np.eye(n)[0]):
        law = beta((n + 1) / 2, (n + 1) / 2)
        assert kstest((1 + drawn @ along / 0.7) / 2, law.cdf).pvalue > 1e-3


def test_balls_are_keyed_by_seed_and_block() -> None:
    noise = ball(0.3, 12)
    first = noise.draw(1, 0, (100, 3, 2, 2))
    assert (first == noise.draw(1, 0, (100, 3, 2, 2))).all()
    assert not (first == noise.draw(1, 1, (100, 3, 2, 2))).any()
    assert not (first == noise.draw(0, 0, (100, 3, 2, 2))).any()


def test_a_length_of_zero_is_no_error() -> None:
    class Zeros(np.random.Generator):
        def standard_normal(self, *args: object, **more: object) -> np.ndarray:  # type: ignore[override]
            return np.zeros((4, 1), dtype=np.float32)

    assert (UniformBall(Params(r=1.0)).sample(Zeros(np.random.Philox(1)), (4, 1)) == 0).all()


# kappa


@pytest.mark.parametrize("share", [1e-6, 0.01, 0.3, 0.99, 1.0, 1.7])
def test_kappa_is_the_closed_form_in_one_and_three_dimensions(share: float) -> None:
    t = min(1.0, share)
    assert ball(0.4, 1).total_variation(0.8 * share) == pytest.approx(t, rel=1e-5)
    assert ball(0.4, 3).total_variation(0.8 * share) == pytest.approx(1.5 * t - 0.5 * t**3, rel=1e-5)


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize("spread", [1e-8, 1e-3, 0.1, 0.5, 1.0, 3.0])
def test_kappa_is_the_integral_over_slices_rounded_up(n: int, spread: float) -> None:
    """At distances in units of the ball's own standard deviation along a line, r / sqrt(n + 2)."""
    r = 2.0
    rho = spread * r / np.sqrt(n + 2)
    exact = oracle.outside(rho, r * SHORTER, n)
    kappa = ball(r, n).total_variation(rho)
    assert mpf(kappa) >= exact or kappa == 1.0
    assert float(mpf(kappa) - exact) <= 2e-9 * kappa
    assert kappa == pytest.approx(float(oracle.outside(rho, r, n)), rel=2e-6)


@pytest.mark.parametrize(("n", "rho"), [(1, 0.3), (3, 0.5), (40, 0.2), (784, 0.05)])
def test_kappa_is_the_share_of_draws_outside_the_other_ball(n: int, rho: float) -> None:
    noise = ball(1.0, n)
    drawn = noise.draw(9, 9, (20_000, n)).double().numpy()
    drawn[:, 0] -= rho
    found = int((np.linalg.norm(drawn, axis=1) > 1.0).sum())
    assert binomtest(found, 20_000, noise.total_variation(rho)).pvalue > 1e-3


def test_kappa_never_falls_and_is_one_from_the_diameter_on() -> None:
    noise = ball(0.5, 784)
    kappas = [noise.total_variation(rho) for rho in np.linspace(0.0, 1.2, 500)]
    assert kappas[0] == 0.0 and kappas == sorted(kappas) and kappas[-1] == 1.0
    assert one(noise.lower(np.array(1.0), 1.0)) == 0.0 and one(noise.upper(np.array(0.0), 1.0)) == 1.0


# The shift of the ball


@given(p=st.floats(0, 1), spread=st.floats(0, 5), n=st.sampled_from(DIMENSIONS))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_ball_shifts_by_kappa_outwards(p: float, spread: float, n: int) -> None:
    noise = ball(1.0, n)
    rho = spread / np.sqrt(n + 2)
    kappa = oracle.outside(rho, 1.0, n)
    low, high = one(noise.lower(np.array(p), rho)), one(noise.upper(np.array(p), rho))
    assert 0.0 <= low <= max(mpf(0), mpf(p) - kappa) and 1.0 >= high >= min(mpf(1), mpf(p) + kappa)
    assert low == pytest.approx(max(0.0, p - float(kappa)), abs=2e-6)
    assert high == pytest.approx(min(1.0, p + float(kappa)), abs=2e-6)


@given(low=st.floats(0, 1), high=st.floats(0, 1), n=st.sampled_from(DIMENSIONS))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_ball_separation_is_where_the_shifted_bounds_meet(low: float, high: float, n: int) -> None:
    noise = ball(0.8, n)
    a, b = np.array(low), np.array(high)
    radius = one(noise.separation(a, b))
    assert 0.0 <= radius <= 1.6
    if low <= high:
        assert radius == 0.0
    if radius > 0:
        for share in (1e-3, 0.5, 1 - 1e-12):
            assert one(noise.lower(a, radius * share)) > one(noise.upper(b, radius * share))
    beyond = radius * (1 + 1e-7) + 1e-9 / np.sqrt(n)
    assert one(noise.lower(a, beyond)) <= one(noise.upper(b, beyond))


@pytest.mark.parametrize("n", DIMENSIONS)
@pytest.mark.parametrize("spread", [0.05, 0.5, 1.5])
def test_half_spaces_attain_the_ball_shift(n: int, spread: float) -> None:
    """A half-space whose border lies half way to x + d has mean 1/2 + kappa/2 at x and 1/2 - kappa/2 at x + d."""
    r = 0.6
    rho = spread * r / np.sqrt(n + 2)
    drawn_from = r * SHORTER
    before, after = (float(oracle.half_space(t, drawn_from, n)) for t in (rho / 2, -rho / 2))
    noise = ball(r, n)
    low, high = one(noise.lower(np.array(before), rho)), one(noise.upper(np.array(after), rho))
    assert low <= after and high >= before
    assert low == pytest.approx(after, abs=1e-9) and high == pytest.approx(before, abs=1e-9)
    # Bounds that meet have moved by kappa each, so they meet where kappa is half as great.
    meet = one(noise.separation(np.array(before), np.array(after)))
    assert noise.total_variation(meet) == pytest.approx(noise.total_variation(rho) / 2, abs=2e-9)


@pytest.mark.parametrize("sigma", [0.1, 1.0])
@pytest.mark.parametrize("p", [0.001, 0.3, 0.9])
def test_half_spaces_attain_the_gaussian_shift_at_every_mean(sigma: float, p: float) -> None:
    for rho in (0.01, 0.1, 0.3):
        noise = Gaussian(Sigma(sigma=sigma))
        assert one(noise.lower(np.array(p), rho)) == pytest.approx(ndtr(ndtri(p) - rho / sigma), abs=1e-9)
        assert one(noise.upper(np.array(p), rho)) == pytest.approx(ndtr(ndtri(p) + rho / sigma), abs=1e-9)


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0])
def test_in_high_dimensions_a_ball_is_like_a_normal_law(spread: float) -> None:
    """For half-spaces through the middle; for rare events the ball's exact shift, the same at every mean, is worse."""
    n, sigma = 150_528, 0.2
    noise, normal = ball(sigma * np.sqrt(n + 2), n), Gaussian(Sigma(sigma=sigma))
    rho = spread * sigma
    assert noise.total_variation(rho) == pytest.approx(normal.total_variation(rho), rel=1e-4)
    assert one(noise.lower(np.array(0.95), rho)) < one(normal.lower(np.array(0.95), rho))


def test_without_the_number_of_elements_there_is_no_shift() -> None:
    with pytest.raises(TypeError, match="for_elements"):
        UniformBall(Params(r=0.5)).lower(np.array([0.5]), 0.1)
    normal = Gaussian(Sigma(sigma=0.1))
    assert normal.for_elements(7) is normal


def test_the_pipeline_binds_the_ball_to_the_image(network: nn.Module, image: Tensor) -> None:
    spec = {
        "model": "m",
        "samples": 600,
        "noise": {"name": "uniform_ball", "r": 3.0},
        "certificates": [{"name": "topk_overlap", "k": 0.2, "radii": [0.001]}],
    }
    the_plan = plan(ExplanationSpec.model_validate(spec), network, image, ["a", "b", "c", "d"], 60)
    assert the_plan.sampler.noise.total_variation(0.2) == ball(3.0, 100).total_variation(0.2)
    findings = certify(the_plan, sample(the_plan, Segments(), lambda counts: None).total)
    assert findings.certificates[0].radii[0].value > 0
    assert all(point.overlap_as_printed is None for point in findings.curve)


# Coverage of interval and shift together, on half-spaces

Q, ALPHA, RUNS = 120, 0.1, 3000


def violations(noise: Noise, shift: Noise, border: float, rho: float, truth: float, n: int) -> int:
    """How often, over RUNS samplings, the shifted lower bound exceeds the mean at x + d of the half-space whose border
    lies `border` behind x, when x moves by rho towards it."""
    broken = 0
    for seed in range(RUNS):
        drawn = noise.sample(stream(seed, 0), (Q, n))
        votes = np.array([int((drawn[:, 0] > -border).sum())])
        lower = ClopperPearson(Exact())(votes, Q, 1, ALPHA).lower
        broken += one(shift.lower(lower, rho)[0]) > truth
    return broken


@pytest.mark.parametrize("n", [3, 30])
def test_ball_coverage_on_half_spaces(n: int) -> None:
    """The worst half-space: the shift is attained, so that violations come near to alpha / 2 and stay below."""
    r = 0.5
    noise, rho = ball(r, n), 0.8 * r / np.sqrt(n + 2)
    truth = float(oracle.half_space(-rho / 2, r, n))
    broken = violations(noise, noise, rho / 2, rho, truth, n)
    print(f"uniform ball, n = {n}: {broken} violations in {RUNS}, side error {ALPHA / 2}")
    assert binomtest(broken, RUNS, ALPHA / 2, alternative="greater").pvalue > 0.01
    assert broken > 0.3 * ALPHA / 2 * RUNS, "far from attained"
    # The control: a shift for a ball that is 1.3 times as large is wrong, and the measurement shows it.
    wrong = violations(noise, ball(1.3 * r, n), rho / 2, rho, truth, n)
    assert binomtest(wrong, RUNS, ALPHA / 2, alternative="greater").pvalue < 1e-6


@pytest.mark.parametrize("kind", [Gaussian, GaussianLecuyer])
def test_gaussian_coverage_on_half_spaces(kind: type[Gaussian]) -> None:
    """Coverage without simulation: the binomial probabilities of the counts whose shifted bound exceeds the truth."""
    sigma, votes = 0.25, np.arange(Q + 1)
    bounds = ClopperPearson(Exact())
    lower = np.array([bounds(votes[k : k + 1], Q, 1, ALPHA).lower[0] for k in votes.tolist()])
    missed = []
    for p in np.linspace(0.02, 0.98, 49):
        for rho in (0.01, 0.1, 0.3):
            truth = float(Gaussian(Sigma(sigma=sigma)).lower(np.array(p), rho)) + 1e-9
            exceeds = kind(Sigma(sigma=sigma)).lower(lower, rho) > truth
            missed.append(float(binom.pmf(votes, Q, p)[exceeds].sum()))
    assert max(missed) <= ALPHA / 2
    if kind is Gaussian:
        assert max(missed) > 0.8 * ALPHA / 2


# Lecuyer's shift


@pytest.mark.parametrize("move", [0.01, 0.1, 0.3, 0.6, 1.0, 2.0])
def test_the_stated_privacy_is_private(move: float) -> None:
    """For epsilon up to 1 the classical delta is at least the exact one; well beyond 1 it need not be."""
    for i in range(1, 101):
        assert oracle.stated(i / 100, move) >= oracle.private(i / 100, move)


def test_the_stated_privacy_fails_for_large_epsilon() -> None:
    """Why epsilon ends at 1: the classical formula is no theorem beyond, and at some larger epsilon it is false."""
    assert any(
        oracle.stated(epsilon, move) < oracle.private(epsilon, move)
        for epsilon in (4.0, 8.0, 16.0)
        for move in np.linspace(0.5, 12, 60)
    )


@given(p=st.floats(0, 1), rho=st.floats(1e-4, 1.0), sigma=st.floats(0.05, 2))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_lecuyer_is_the_best_epsilon(p: float, rho: float, sigma: float) -> None:
    noise = GaussianLecuyer(Sigma(sigma=sigma))
    low, high = one(noise.lower(np.array(p), rho)), one(noise.upper(np.array(p), rho))
    best_low, best_high = (float(bound) for bound in oracle.lecuyer(p, rho / sigma, 300))
    assert low >= best_low - 1e-9 and high <= best_high + 1e-9
    assert low <= best_low + 2e-2 and high >= best_high - 2e-2, "better than every epsilon of the grid by far"


@given(p=st.floats(0, 1), rho=st.floats(0.0, 3.0), sigma=st.floats(0.05, 2))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_lecuyer_is_never_tighter_than_the_exact_shift(p: float, rho: float, sigma: float) -> None:
    """Which is also its soundness: half-spaces attain the exact shift."""
    loose, exact = GaussianLecuyer(Sigma(sigma=sigma)), Gaussian(Sigma(sigma=sigma))
    assert one(loose.lower(np.array(p), rho)) <= one(exact.lower(np.array(p), rho)) + 3e-9
    assert one(loose.upper(np.array(p), rho)) >= one(exact.upper(np.array(p), rho)) - 3e-9


@given(low=st.floats(0, 1), high=st.floats(0, 1), sigma=st.floats(0.05, 2))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_lecuyer_separation_is_where_the_shifted_bounds_meet(low: float, high: float, sigma: float) -> None:
    loose = GaussianLecuyer(Sigma(sigma=sigma))
    a, b = np.array([low, high]), np.array([high, low])
    radii = loose.separation(a, b)
    assert radii.shape == (2,) and (radii <= np.maximum(Gaussian(Sigma(sigma=sigma)).separation(a, b), 0) + 1e-8).all()
    radius = float(radii[0])
    if radius > 1e-6:
        for share in (0.01, 0.5, 1 - 1e-6):
            assert one(loose.lower(a, radius * share)[0]) > one(loose.upper(b, radius * share)[0])
        assert one(loose.lower(a, radius * (1 + 1e-5))[0]) <= one(loose.upper(b, radius * (1 + 1e-5))[0]) + 1e-12


def test_lecuyer_keeps_the_draws() -> None:
    assert (GaussianLecuyer(Sigma(sigma=0.3)).draw(1, 2, (4, 5)) == Gaussian(Sigma(sigma=0.3)).draw(1, 2, (4, 5))).all()
