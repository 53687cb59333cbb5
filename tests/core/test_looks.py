"""Stopping early: what the looks spend, where a run stops, and that the promise survives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from torch import Tensor, nn

from tests.core.evidence import by_hand
from tests.core.halfspaces import HalfSpaces
from tests.core.test_coverage import CELLS, SIGMA, SIZE, N, true_overlap
from worker.contract.spec import ExplanationSpec
from worker.core.bounds.base import Params
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.certificates.topk_overlap import TopKOverlap
from worker.core.looks import looks
from worker.core.noises.gaussian import Gaussian
from worker.core.noises.gaussian import Params as Sigma
from worker.core.pipeline import certify, plan, sample
from worker.core.statistics.segments import Segments

ALPHA, RHO, RUNS, AT_MOST = 0.1, 0.001, 2000, 1024


@pytest.mark.parametrize(("at_most", "batch"), [(1, 32), (256, 32), (1000, 32), (65_536, 64), (10**9, 7)])
def test_looks_spend_no_more_than_alpha_and_end_with_the_last_block(at_most: int, batch: int) -> None:
    schedule = list(looks(at_most, batch, ALPHA))
    assert sum(look.alpha for look in schedule) <= ALPHA
    blocks = [look.blocks for look in schedule]
    assert blocks == sorted(set(blocks)) and blocks[-1] == -(-at_most // batch)


def stopped(paid: bool) -> int:
    """Violations over RUNS runs that stop at the first look that certifies a third of the set."""
    rng = np.random.default_rng(4)
    noise = Gaussian(Sigma(sigma=SIGMA))
    interval = ClopperPearson(Params())
    certifier = TopKOverlap(TopKOverlap.Params(k=SIZE / CELLS))
    violations = 0
    for seed in range(RUNS):
        model = HalfSpaces.opposed(rng, CELLS, SIZE, N, SIGMA, tilt=0.5)
        drawn = noise.draw(seed, 0, (AT_MOST, N)).double().numpy()
        for look in looks(AT_MOST, 64, ALPHA):
            samples = look.blocks * 64
            votes = model.votes(drawn[:samples])
            # Unpaid: intervals of hardly any width at every look, as if looking cost nothing.
            alpha = look.alpha if paid else CELLS * 0.9
            observed = by_hand(votes, samples, interval(votes, samples, 1, alpha), noise)
            claimed = int(certifier.certified(observed, SIZE, np.array([RHO]))[0])
            if claimed >= SIZE - 1 - paid:
                break
        violations += claimed > true_overlap(model, observed, RHO)
    return violations


def test_a_stopped_run_keeps_its_promise() -> None:
    violations = stopped(paid=True)
    assert binomtest(violations, RUNS, ALPHA, alternative="greater").pvalue > 0.01
    print(f"stopped early: {violations} violations in {RUNS}")


def test_the_measurement_can_fail() -> None:
    assert binomtest(stopped(paid=False), RUNS, ALPHA, alternative="greater").pvalue < 1e-6


def spec(at_least: float) -> ExplanationSpec:
    until = {"certificate": "topk_overlap", "radius": 0.001, "at_least": at_least}
    document = {"model": "m", "samples": {"at_most": 2048, "until": until}, "noise": {"name": "gaussian", "sigma": 0.3}}
    return ExplanationSpec.model_validate(document)


def test_a_run_stops_at_the_first_look_that_has_what_was_asked_for(network: nn.Module, image: Tensor) -> None:
    seen: list[Segments] = []
    ready = plan(spec(0.05), network, image, list("abcd"), 32)
    counts = sample(ready, Segments(), seen.append).total
    assert counts.samples < 2048 and counts.samples == ready.looks[ready.alpha(counts).look - 1].blocks * 32
    findings = certify(ready, counts)
    (overlap,) = findings.certificates
    alpha = ready.alpha(counts)
    assert overlap.alpha_spent == alpha.intervals < alpha.total == pytest.approx(0.05)
    assert ready.certifiers[0].claim(findings.evidence, 0.001).value >= 0.05
    assert "95 %" in overlap.statement
    for restart in (seen[0], seen[len(seen) // 2], seen[-1]):
        again = sample(ready, restart, lambda _: None)
        assert again.total.digest == counts.digest, "a restart must stop where the undisturbed run did"


def test_a_wish_that_is_never_met_draws_all_samples(network: nn.Module, image: Tensor) -> None:
    ready = plan(spec(1.0), network, image, list("abcd"), 32)
    counts = sample(ready, Segments(), lambda _: None).total
    assert counts.samples == 2048 and ready.alpha(counts).look == len(ready.looks)


def test_a_wish_about_a_certificate_that_is_not_asked_for_is_refused() -> None:
    until = {"certificate": "kendall", "radius": 0.1, "at_least": 0.5}
    with pytest.raises(ValueError, match="not asked for"):
        ExplanationSpec.model_validate({"samples": {"at_most": 64, "until": until}})
