"""The literal formulas against brute force and against the product's own code: never below, and not far above."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, norm

from tests.core.evidence import by_hand
from tests.oracles.overlap import worst_overlap
from worker.contract.spec import Method
from worker.core.bounds import INTERVALS
from worker.core.certificates import CERTIFICATES
from worker.core.noises import NOISES
from worker.verify.box import Box, box
from worker.verify.literal import LITERAL, Found

RHO, ALPHA = 0.03, 0.05


def method(name: str, **params: Any) -> Method:
    return Method.model_validate({"name": name, **params})


def found(here: Box, noise: Method, elements: int, samples: int, scale: int = 1, rho: float = RHO) -> Found:
    sigma = noise.params.get("sigma")
    return Found(here, here.moved(noise, elements, rho), rho, samples, scale, ALPHA, sigma)


@pytest.mark.parametrize("interval", ["clopper_pearson", "hoeffding", "kl"])
@pytest.mark.parametrize("failures", [0, 3])
@pytest.mark.parametrize("noise", [method("gaussian", sigma=0.25), method("uniform_ball", r=2.0)])
def test_the_product_claims_no_more_and_hardly_less(interval: str, failures: int, noise: Method) -> None:
    """Random counts of many shapes. Both may differ only by the outward rounding of the product."""
    rng = np.random.default_rng(17)
    less = claims = 0
    for _ in range(6):
        cells, samples = int(rng.integers(20, 200)), int(rng.choice([60, 400, 2000]))
        votes = np.minimum(samples, rng.binomial(samples, rng.beta(0.3, 1.0, cells)))
        spec = method(interval, allowed_failures=failures)
        law = NOISES.build(noise, "").for_elements(cells)
        bounds = INTERVALS.build(spec, "")(votes, samples, 1, ALPHA)
        evidence = by_hand(votes, samples, bounds, law)
        literal = found(box(spec, votes, samples, 1, ALPHA), noise, cells, samples)
        for name, formula in LITERAL.items():
            if name == "topk_overlap_as_printed" and noise.name != "gaussian":
                continue
            certifier = CERTIFICATES.build(method(name, radii=[RHO]), "")
            ours = certifier.claim(evidence, RHO)
            most = formula(certifier.params.model_dump(), literal)
            assert ours.value <= most.value + 1e-12, (name, cells, samples)
            assert (ours.certified is None) == (most.certified is None)
            less += ours.value < most.value - 1e-12
            claims += ours.value > 0
    assert claims >= 8, "nothing was claimed, so nothing was compared"
    assert less == 0, f"{less} claims below the literal ones: one of the two is not what it says"


def test_overlap_is_that_of_the_worst_corner_of_the_box() -> None:
    """Levels with one cell each, brute force over the corners; with failures, over who fails."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        cells, size, failures = 6, int(rng.integers(1, 4)), int(rng.integers(0, 2))
        means = np.sort(rng.integers(0, 8, cells) / 8 + rng.uniform(0, 1e-3, cells))[::-1]
        lower, upper = (np.clip(means + side * rng.integers(0, 5, cells) / 8, 0, 1) for side in (-1, 1))
        here = Box(means, lower, upper, np.ones(cells, dtype=np.int64), failures)
        got = LITERAL["topk_overlap"]({"k": size / cells}, Found(here, here, 0.0, 10, 1, ALPHA, None)).certified
        worst = size
        for failed in range(cells) if failures else [None]:
            free = np.arange(cells) == failed
            low, high = np.where(free, 0.0, lower), np.where(free, 1.0, upper)
            worst = min(worst, worst_overlap(low.tolist(), high.tolist(), range(size), size))
        assert got == worst


def test_intervals_are_those_of_the_textbook() -> None:
    """Clopper-Pearson by the quantiles of the beta law, Hoeffding by its formula, Chernoff by its equation."""
    votes, samples = np.arange(0, 51), 50
    side = ALPHA / (2 * len(votes))
    exact = box(method("clopper_pearson"), votes, samples, 1, ALPHA)
    k = votes[::-1]
    lower = np.where(k > 0, beta.ppf(side, np.maximum(k, 1), samples - k + 1), 0.0)
    upper = np.where(k < samples, beta.ppf(1 - side, k + 1, np.maximum(samples - k, 1)), 1.0)
    assert np.allclose(exact.lower, lower, rtol=1e-9, atol=0) and np.allclose(exact.upper, upper, rtol=1e-9, atol=0)
    width = math.sqrt(math.log(1 / side) / (2 * samples))
    hoeffding = box(method("hoeffding"), votes, samples, 1, ALPHA)
    assert np.allclose(hoeffding.lower, np.maximum(k / samples - width, 0), atol=1e-12)
    chernoff = box(method("kl"), votes, samples, 1, ALPHA)
    p, q = 0.4, chernoff.lower[k == 20][0]
    assert samples * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))) == pytest.approx(math.log(1 / side))


def test_votes_of_real_values_may_have_been_rounded_down() -> None:
    here = box(method("hoeffding"), np.array([500_000, 0]), 10, 100_000, ALPHA)
    width = math.sqrt(math.log(4 / ALPHA) / 20)
    assert here.lower[0] == pytest.approx(max(0.0, 0.5 - width), abs=1e-12)
    assert here.upper[0] == pytest.approx(0.5 + 1e-5 + width, abs=1e-12)


def test_shifts_are_those_of_the_textbook() -> None:
    here = Box(*(np.array([0.9, 0.5, 0.0]),) * 3, np.ones(3, dtype=np.int64), 0)
    there = here.moved(method("gaussian", sigma=0.5), 10, 0.2)
    assert there.lower[:2] == pytest.approx(norm.cdf(norm.ppf([0.9, 0.5]) - 0.4), abs=1e-12)
    assert there.upper[:2] == pytest.approx(norm.cdf(norm.ppf([0.9, 0.5]) + 0.4), abs=1e-12)
    assert there.lower[2] == there.upper[2] == 0.0
    # In one dimension the ball is an interval of length 2r, and a shift by rho leaves rho/2r of it.
    line = here.moved(method("uniform_ball", r=0.5), 1, 0.1)
    assert line.lower == pytest.approx([0.8, 0.4, 0.0], abs=1e-6)
    assert here.moved(method("uniform_ball", r=0.5), 7, 1.0).upper == pytest.approx(1.0)
