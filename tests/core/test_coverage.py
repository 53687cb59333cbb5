"""The certificate's promise, measured on a model whose smoothed map is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from tests.core.evidence import by_hand
from tests.core.halfspaces import HalfSpaces
from worker.core.bounds.base import Bounds, Params
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.pixel_status import not_salient_radius, salient_radius
from worker.core.certificates.topk_overlap import TopKOverlap
from worker.core.noises.gaussian import Gaussian
from worker.core.noises.gaussian import Params as Sigma

CELLS, SIZE, N, SIGMA, Q, ALPHA, RHO, RUNS = 30, 6, 12, 0.25, 150, 0.1, 0.05, 1000


def evidence(votes: np.ndarray, bounds: Bounds) -> Evidence:
    return by_hand(votes, Q, bounds, Gaussian(Sigma(sigma=SIGMA)))


def true_overlap(model: HalfSpaces, observed: Evidence, rho: float) -> int:
    """Overlap of the observed top-K set with the population's at the worst move, ties against us."""
    move = np.zeros(N)
    move[0] = -rho
    means = model.mean(move)
    inside = set(observed.order[:SIZE].tolist())
    order = sorted(range(CELLS), key=lambda cell: (-means[cell], cell in inside))
    return len(inside & set(order[:SIZE]))


def run(failures: int, tilt: float, rho: float, *, plug_in: bool) -> tuple[int, list[float], list[float]]:
    """Violations of the certificate, and the certified and true overlaps, over RUNS independent samplings."""
    rng = np.random.default_rng(11)
    interval = ClopperPearson(Params(allowed_failures=failures))
    noise = Gaussian(Sigma(sigma=SIGMA))
    violations, certified, true = 0, [], []
    for seed in range(RUNS):
        model = HalfSpaces.opposed(rng, CELLS, SIZE, N, SIGMA, tilt=tilt)
        votes = model.votes(noise.draw(seed, 0, (Q, N)).double().numpy())
        bounds = interval(votes, Q, 1, ALPHA)
        if plug_in:
            mean = votes / Q
            bounds = Bounds(mean, mean, ALPHA, bounds.side, failures)
        observed = evidence(votes, bounds)
        claimed = int(TopKOverlap(TopKOverlap.Params(k=SIZE / CELLS)).certified(observed, SIZE, np.array([rho]))[0])
        truth = true_overlap(model, observed, rho)
        violations += claimed > truth
        certified.append(claimed / SIZE)
        true.append(truth / SIZE)
    return violations, certified, true


@pytest.mark.parametrize("q", [5, 40, 300])
def test_one_interval_covers_exactly_as_often_as_it_says(q: int) -> None:
    """No simulation: the probability that the interval misses p, summed over all outcomes, for a grid of p."""
    votes = np.arange(q + 1)
    interval = ClopperPearson(Params())
    lower, upper = interval.lower(votes / q, q, ALPHA / 2), interval.upper(votes / q, q, ALPHA / 2)
    missed = [float(binom.pmf(votes, q, p)[(lower > p) | (upper < p)].sum()) for p in np.linspace(0.001, 0.999, 999)]
    assert max(missed) <= ALPHA
    assert max(missed) > 0.6 * ALPHA, "far wider intervals than needed would pass too"


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_more_intervals_fail_than_allowed_at_most_alpha_of_the_time(failures: int) -> None:
    """Independent cells, where the union bound and Markov's inequality give away least."""
    rng = np.random.default_rng(3)
    means = rng.uniform(0.02, 0.98, 40)
    interval = ClopperPearson(Params(allowed_failures=failures))
    broken = 0
    for _ in range(4000):
        bounds = interval(rng.binomial(Q, means), Q, 1, ALPHA)
        broken += int(((bounds.lower > means) | (bounds.upper < means)).sum() > failures)
    assert binomtest(broken, 4000, ALPHA, alternative="greater").pvalue > 0.01
    assert failures > 0 or broken > 40, "the union bound is not that loose for independent cells"


@pytest.mark.parametrize(
    ("failures", "tilt", "rho"), [(0, 0.0, RHO), (0, 0.5, RHO), (2, 0.5, RHO), (0, 0.5, 0.001), (2, 0.5, 0.001)]
)
def test_violations_stay_below_alpha(failures: int, tilt: float, rho: float) -> None:
    """An exact binomial test cannot reject "violated with probability at most alpha"; in fact it is far below."""
    violations, certified, true = run(failures, tilt, rho, plug_in=False)
    assert binomtest(violations, RUNS, ALPHA, alternative="greater").pvalue > 0.01
    assert np.mean(certified) > 0.05, "a certificate that never says anything would pass too"
    print(
        f"failures {failures}, tilt {tilt}, rho {rho}: {violations} violations in {RUNS}; "
        f"certified {np.mean(certified):.3f} of true {np.mean(true):.3f}"
    )


def test_the_measurement_can_fail() -> None:
    """Without intervals (the observed means taken for the truth) the same measurement finds the violations."""
    violations, _, _ = run(0, 0.5, 0.001, plug_in=True)
    assert binomtest(violations, RUNS, ALPHA, alternative="greater").pvalue < 1e-6


def test_tight_without_sampling_error() -> None:
    """With intervals of no width the certified overlap is the true worst overlap: the shift loses nothing here."""
    rng = np.random.default_rng(5)
    certifier = TopKOverlap(TopKOverlap.Params(k=SIZE / CELLS))
    for _ in range(200):
        model = HalfSpaces.opposed(rng, CELLS, SIZE, N, SIGMA, tilt=0.0, least=0.5)
        means = model.mean(np.zeros(N))
        votes = np.rint(means * 1e9).astype(np.int64)
        exact = by_hand(votes, 10**9, Bounds(means, means, ALPHA, 0.0, 0), Gaussian(Sigma(sigma=SIGMA)))
        for rho in (0.0, 0.02, 0.06, 0.1):
            kept = int(certifier.certified(exact, SIZE, np.array([rho]))[0])
            assert kept == true_overlap(model, exact, rho)


def test_status_holds_at_the_worst_move() -> None:
    """Cells certified salient are in the true top-K set at the worst move, cells certified not salient are outside."""
    rng = np.random.default_rng(2)
    noise = Gaussian(Sigma(sigma=SIGMA))
    violations = marked = 0
    for seed in range(400):
        model = HalfSpaces.opposed(rng, CELLS, SIZE, N, SIGMA, tilt=0.3)
        votes = model.votes(noise.draw(seed, 1, (Q, N)).double().numpy())
        observed = evidence(votes, ClopperPearson(Params())(votes, Q, 1, ALPHA))
        move = np.zeros(N)
        move[0] = -RHO
        top = np.argsort(-model.mean(move))[:SIZE]
        salient = np.flatnonzero(salient_radius(observed, SIZE) > RHO)
        outside = np.flatnonzero(not_salient_radius(observed, SIZE) > RHO)
        marked += len(salient) + len(outside)
        violations += not set(salient) <= set(top) or bool(set(outside) & set(top))
    assert marked > 1000
    assert binomtest(violations, 400, ALPHA, alternative="greater").pvalue > 0.01
