"""`compare: observed`: what a fresh run may observe, by its definition, and the promise about it, summed or measured.

Where everything depends on one count per run, the probability of a false claim is a sum over all pairs of counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.stats import binom, binomtest, norm
from torch import Tensor, nn

from tests.core.boxes import box, random_box
from tests.core.evidence import by_hand, layout
from tests.core.halfspaces import HalfSpaces
from tests.core.test_certificates_all import NAMES, RADII, build, example
from tests.core.test_intervals import ANY_MAP, EVERY, LAWS, names
from tests.oracles import similarity
from tests.oracles.intervals import divergence
from worker.contract.errors import InvalidSpec
from worker.contract.spec import ExplanationSpec
from worker.core.bounds.base import Bounds, Interval, Params
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.bounds.kl import KL
from worker.core.certificates.cosine_norm_ball import CosineNormBall
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.kendall import Kendall
from worker.core.certificates.pixel_status import not_salient_radius, salient_radius
from worker.core.certificates.pixel_status_votes import VoteStatus
from worker.core.certificates.prediction import Prediction
from worker.core.certificates.region import Region
from worker.core.certificates.region_mass import RegionMass
from worker.core.certificates.rerun import LEVELS, Rerun
from worker.core.certificates.topk_overlap import TopKOverlap
from worker.core.maps.base import RESOLUTION
from worker.core.noises.base import Noise, Values
from worker.core.noises.gaussian import Gaussian
from worker.core.noises.gaussian import Params as Sigma
from worker.core.noises.gaussian_lecuyer import GaussianLecuyer
from worker.core.noises.uniform_ball import Params as Radius
from worker.core.noises.uniform_ball import UniformBall
from worker.core.pipeline import certify, plan, sample
from worker.core.statistics.segments import Segments

EXACT, SIGMA = ClopperPearson(Params()), 0.25
NOISE = Gaussian(Sigma(sigma=SIGMA))
PRINTED = [name for name in NAMES if name.endswith("as_printed")]
MEANS = np.linspace(0.0, 1.0, 401)


class Still(Gaussian):
    """Moves of the image change nothing: what is left is the sampling error of the fresh run."""

    def lower(self, p: Values, rho: float | Values) -> Values:
        return p

    def upper(self, p: Values, rho: float | Values) -> Values:
        return p


def still(interval: Interval, samples: int, scale: int, side: float) -> Rerun:
    return Rerun(Still(Sigma(sigma=1.0)), interval, samples, scale, side)


def observed(evidence: Evidence, interval: Interval = EXACT) -> Evidence:
    """The same evidence, where the map of a fresh run is compared."""
    rerun = Rerun(evidence.noise, interval, evidence.samples, evidence.scale, evidence.bounds.side)
    return replace(evidence, rerun=rerun)


# What a fresh run observes if the image does not move


@pytest.mark.parametrize("q", [1, 7, 60, 500])
@pytest.mark.parametrize("side", [1e-6, 0.01, 0.3])
def test_zeros_and_ones_are_bounded_by_the_binomial_quantile(q: int, side: float) -> None:
    """The largest y with P(Bin(q, p) < y) <= side, by trying every y; the upper bound from the other end."""
    # None at which a probability is exactly `side`: there rounding outwards may cost one vote.
    means = np.concatenate([[0.0, 1.0], np.linspace(0.00037, 0.99911, 99)])
    rerun, counts = still(EXACT, q, 1, side), np.arange(q + 1)
    for p, low, high in zip(means, rerun.lower(means, 0.0), rerun.upper(means, 0.0), strict=True):
        below, above = binom.cdf(counts - 1, q, p) <= side, binom.sf(counts, q, p) <= side
        assert (low, high) == (counts[below].max() / q, counts[above].min() / q)


@pytest.mark.parametrize("interval", EVERY, ids=names(EVERY))
@pytest.mark.parametrize("q", [4, 40, 400])
def test_coins_fall_outside_at_most_as_often_as_is_paid_for(interval: Interval, q: int) -> None:
    side, counts = 0.05, np.arange(q + 1)
    rerun = still(interval, q, 1, side)
    below = [
        binom.pmf(counts, q, p)[counts / q < low].sum() for p, low in zip(MEANS, rerun.lower(MEANS, 0.0), strict=True)
    ]
    above = [
        binom.pmf(counts, q, p)[counts / q > top].sum() for p, top in zip(MEANS, rerun.upper(MEANS, 0.0), strict=True)
    ]
    assert max(below) <= side and max(above) <= side
    assert interval is not EXACT or min(max(below), max(above)) > 0.9 * side or q < 40, "far wider would pass too"


@pytest.mark.parametrize(("p", "q", "side"), [(0.5, 200, 1e-4), (0.03, 4000, 1e-7), (0.9, 30, 0.2), (0.001, 10, 0.01)])
def test_real_values_are_bounded_by_chernoff(p: float, q: int, side: float) -> None:
    """min{y <= p : q KL(y, p) <= ln(1 / side)}, by bisection with 50 digits; below it by a level and a vote at most."""
    low, high, limit = mpf(0), mpf(p), -mp.log(mpf(side)) / q
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if divergence(middle, mpf(p)) > limit else (low, middle)
    found = float(still(KL(Params()), q, RESOLUTION, side).lower(np.array(p), 0.0))
    assert 0 <= float(high) - found <= 2 / LEVELS + 1 / RESOLUTION


@pytest.mark.parametrize("law", ["uniform", "lopsided", "near one"])
@pytest.mark.parametrize("interval", ANY_MAP, ids=names(ANY_MAP))
def test_real_values_rounded_down_to_votes_fall_outside_at_most_as_often(interval: Interval, law: str) -> None:
    """So few votes that what is cut off matters: forgetting it is found out."""
    runs, q, scale, side = 2000, 100, 4, 0.1
    draw, mean = LAWS[law]
    seen = np.floor(draw(np.random.default_rng(3), (runs, q)) * scale).sum(axis=1) / (q * scale)
    rerun, p = still(interval, q, scale, side), np.array(mean)
    for outside in (int((seen < rerun.lower(p, 0.0)).sum()), int((seen > rerun.upper(p, 0.0)).sum())):
        assert binomtest(outside, runs, side, alternative="greater").pvalue > 0.01
    forgotten = int((seen < replace(rerun, scale=RESOLUTION).lower(p, 0.0)).sum())
    assert law == "lopsided" or binomtest(forgotten, runs, side, alternative="greater").pvalue < 1e-6


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_more_cells_fail_in_both_runs_together_than_allowed_at_most_alpha_of_the_time(failures: int) -> None:
    """Half of alpha for each run, and the failures of both counted together. Independent cells: least is given away."""
    rng, runs, q, alpha = np.random.default_rng(17), 1500, 150, 0.1
    means = rng.uniform(0.02, 0.98, 40)
    interval, broken = ClopperPearson(Params(allowed_failures=failures)), 0
    for _ in range(runs):
        bounds = interval(rng.binomial(q, means), q, 1, alpha / 2)
        rerun, again = still(EXACT, q, 1, bounds.side), rng.binomial(q, means) / q
        failed = (bounds.lower > means) | (bounds.upper < means)
        failed |= (again < rerun.lower(means, 0.0)) | (again > rerun.upper(means, 0.0))
        broken += int(failed.sum() > failures)
    assert binomtest(broken, runs, alpha, alternative="greater").pvalue > 0.01
    assert failures > 0 or broken > 0.03 * runs, "the union bound is not that loose for independent cells"


# The shift, and radii

NOISES: list[Noise] = [NOISE, UniformBall(Radius(r=0.5)).for_elements(64), GaussianLecuyer(Sigma(sigma=SIGMA))]


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
@pytest.mark.parametrize(("interval", "scale"), [(EXACT, 1), (KL(Params()), RESOLUTION)], ids=["coins", "values"])
def test_separation_is_where_what_may_be_observed_meets(noise: Noise, interval: Interval, scale: int) -> None:
    rerun = Rerun(noise, interval, 900, scale, 0.01)
    rng = np.random.default_rng(5)
    low, high = rng.uniform(0.2, 1.0, 200), rng.uniform(0.0, 0.8, 200)
    radius = rerun.separation(low, high)
    apart = radius > 0
    assert 40 < apart.sum() < 160
    assert (radius[apart] < noise.separation(low, high)[apart]).all(), "the fresh run has a sampling error"
    for share, wanted in ((1 - 1e-9, True), (1 + 1e-6, False)):
        rho = radius[apart] * share
        assert ((rerun.lower(low[apart], rho) > rerun.upper(high[apart], rho)) == wanted).all()
    assert (rerun.lower(low[~apart], 1e-9) <= rerun.upper(high[~apart], 1e-9)).all()


def test_what_ties_is_not_apart() -> None:
    """Shares such as 1 - 3/10 and 7/10 are one number: an ulp between them would pass for an order."""
    for q in range(1, 200):
        rerun, counts = still(EXACT, q, 1, 0.3), set((np.arange(q + 1) / q).tolist())
        assert set(rerun.lower(MEANS, 0.0).tolist()) | set(rerun.upper(MEANS, 0.0).tolist()) <= counts


def _last(values: tuple[float, ...], losing: np.ndarray, size: int) -> list[int]:
    """The cells outside the top set if `losing` cells lose every tie."""
    return sorted(range(len(values)), key=lambda cell: (-values[cell], losing[cell]))[size:]


def _first(values: tuple[float, ...], winning: np.ndarray, size: int) -> list[int]:
    """The cells of the top set if `winning` cells win every tie."""
    return sorted(range(len(values)), key=lambda cell: (-values[cell], not winning[cell]))[:size]


@pytest.mark.parametrize("failures", [0, 2])
def test_box_certificates_hold_in_every_vertex_of_what_may_be_observed(failures: int) -> None:
    rng = np.random.default_rng(31)
    some = 0
    for case in range(40):
        evidence, rho = random_box(rng, ties=case % 2 == 0, cells=6, failures=failures)
        evidence, rho = observed(evidence), rho / 4
        lower, upper = (
            side.tolist()
            for side in (
                evidence.shift.lower(evidence.bounds.lower, rho),
                evidence.shift.upper(evidence.bounds.upper, rho),
            )
        )
        inner = box(evidence, rho)
        assert all(low <= p for low, p in zip(lower, inner[0], strict=True))
        size = evidence.size(0.4, "")
        chosen, shown = set(evidence.order[:size].tolist()), evidence.mean.tolist()
        claimed = TopKOverlap(TopKOverlap.Params(k=0.4)).claim(evidence, rho).certified or 0
        ordered = Kendall(Kendall.Params()).claim(evidence, rho).value
        salient, outside = salient_radius(evidence, size) > rho, not_salient_radius(evidence, size) > rho
        least = size
        for values in similarity.maps(lower, upper, failures):
            order = sorted(range(len(values)), key=lambda cell: (-values[cell], cell in chosen))
            least = min(least, len(chosen & set(order[:size])))
            assert similarity.kendall(shown, values) >= ordered
            # One way to break ties at a time: against those marked salient, then for those marked not salient.
            assert sum(bool(salient[cell]) for cell in _last(values, salient, size)) <= failures
            assert sum(bool(outside[cell]) for cell in _first(values, outside, size)) <= failures
        assert claimed == least, "exact for these intervals too"
        some += claimed > 0
    assert some > 5


# The promise, summed over all outcomes: cell 1 votes where the noise exceeds a threshold, cell 2 where it does not

Q = 60


def by_count(kind: str, votes: int, alpha: float, fresh: bool) -> Evidence:
    """The evidence of this many votes: for the smoothed map at alpha, for a fresh run at half of it on either side."""
    share = alpha / 2 if fresh else alpha
    pair = np.array([votes, Q - votes])
    fields: dict[str, Any] = {"alpha": alpha, "share": share, "target": 0}
    if kind == "region_mass":
        fields |= {"grid": (1, 2, 1), "layout": layout(1, 2, 1), "tallies": {"own": np.array([Q - votes, votes])}}
    if kind == "prediction":
        fields |= {"tallies": {"own": pair}}
    if kind == "cosine_norm_ball":
        pair, fields = pair * RESOLUTION, fields | {"map": "unit", "scale": RESOLUTION}
    found = by_hand(pair, Q, EXACT(np.array([votes, Q - votes]), Q, 1, share), NOISE, **fields)
    return observed(found) if fresh else found


def cosine(votes: int, again: int) -> float:
    first, second = np.array([votes, Q - votes]), np.array([again, Q - again])
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


# What a fresh run of `again` votes observes, to be compared with the value that was claimed after `votes`.
SHOWN: dict[str, Callable[[int, int], float]] = {
    "topk_overlap": lambda votes, again: float(
        (votes >= Q - votes and 2 * again > Q) or (votes < Q - votes and 2 * again < Q)
    ),
    "vote_status": lambda votes, again: float(
        (votes >= Q - votes and 2 * again > Q) or (votes < Q - votes and 2 * again < Q)
    ),
    "prediction": lambda votes, again: float(2 * again > Q),
    "region_mass": lambda votes, again: again / Q,
    "cosine_norm_ball": cosine,
}
CERTIFIERS: dict[str, Any] = {
    "topk_overlap": TopKOverlap(TopKOverlap.Params(k=0.5)),
    "vote_status": VoteStatus(VoteStatus.Params(k=0.5)),
    "prediction": Prediction(Prediction.Params()),
    "region_mass": RegionMass(RegionMass.Params(region=Region(box=(0, 0, 1, 1)))),
    "cosine_norm_ball": CosineNormBall(CosineNormBall.Params()),
}


def false_claims(kind: str, alpha: float, rho: float, fresh: bool) -> tuple[float, float]:
    """The probability that a fresh run at the worst move shows less than was claimed, for the least favourable mean;
    and the greatest value that is claimed at all."""
    claims = [CERTIFIERS[kind].claim(by_count(kind, votes, alpha, fresh), rho).value for votes in range(Q + 1)]
    wrong = np.array([[SHOWN[kind](v, again) < claims[v] for again in range(Q + 1)] for v in range(Q + 1)])
    counts, worst = np.arange(Q + 1), 0.0
    for p in np.linspace(0.02, 0.98, 97):
        for move in (-rho, rho):
            there = norm.cdf(norm.ppf(p) + move / SIGMA)
            worst = max(worst, float(binom.pmf(counts, Q, p) @ wrong @ binom.pmf(counts, Q, there)))
    return worst, max(claims)


@pytest.mark.parametrize(
    ("kind", "alpha"), [("topk_overlap", 1e-4), ("vote_status", 1e-4), ("prediction", 1e-3), ("region_mass", 0.1)]
)
def test_a_fresh_run_shows_less_than_claimed_at_most_alpha_of_the_time(kind: str, alpha: float) -> None:
    """The control: what is claimed of the smoothed map is broken by a fresh run more often than alpha."""
    (ours, claimed), (control, _) = (false_claims(kind, alpha, 0.02, fresh) for fresh in (True, False))
    print(f"{kind}, alpha {alpha}: false with probability {ours:.2g}; the claim about the smoothed map: {control:.2g}")
    assert ours <= alpha < control
    assert claimed > 0.5, "a certificate that never says anything would pass too"


def test_the_norm_ball_holds_for_a_fresh_run() -> None:
    """Its own bound on the sampling error leaves so much that even the smoothed map's claim is not broken here."""
    ours = CERTIFIERS["cosine_norm_ball"]
    wide, narrow = (
        ours.claim(by_count("cosine_norm_ball", Q // 2, 0.5, fresh), 0.001).value for fresh in (True, False)
    )
    assert 0 < wide < narrow
    assert false_claims("cosine_norm_ball", 0.5, 0.001, fresh=True)[0] <= 0.5


# The promise, measured: thirty half-spaces

CELLS, SIZE, N, SAMPLES, ALPHA, RHO, RUNS = 30, 6, 12, 300, 0.1, 0.005, 1000


@lru_cache(maxsize=1)
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Votes at the image, and of a fresh run at the worst move."""
    rng, found = np.random.default_rng(13), []
    for _ in range(RUNS):
        model = HalfSpaces.opposed(rng, CELLS, SIZE, N, SIGMA, tilt=0.5)
        here, there = rng.normal(scale=SIGMA, size=(2, SAMPLES, N))
        found.append((model.votes(here), model.votes(there + np.append(-RHO, np.zeros(N - 1)))))
    return found


@pytest.mark.parametrize(("failures", "plug_in"), [(0, False), (2, False), (0, True)])
def test_two_runs_share_as_many_of_the_most_salient_as_certified(failures: int, plug_in: bool) -> None:
    """Ties of the fresh run count against us. Without either sampling error the same test fails."""
    interval = ClopperPearson(Params(allowed_failures=failures))
    certifier = TopKOverlap(TopKOverlap.Params(k=SIZE / CELLS))
    violations, said = 0, []
    runs = pairs()[: 300 if plug_in else RUNS]
    for votes, again in runs:
        bounds = interval(votes, SAMPLES, 1, ALPHA / 2)
        if plug_in:
            bounds = Bounds(votes / SAMPLES, votes / SAMPLES, ALPHA / 2, bounds.side, 0)
        evidence = by_hand(votes, SAMPLES, bounds, NOISE, alpha=ALPHA)
        evidence = evidence if plug_in else observed(evidence, EXACT)
        chosen = set(evidence.order[:SIZE].tolist())
        fresh = sorted(range(CELLS), key=lambda cell: (-again[cell], cell in chosen))[:SIZE]
        claimed = int(certifier.certified(evidence, SIZE, np.array([RHO]))[0])
        violations += claimed > len(chosen & set(fresh))
        said.append(claimed / SIZE)
    print(
        f"failures {failures}, plug-in {plug_in}: {violations} violations in {len(runs)}; certified {np.mean(said):.2f}"
    )
    refuted = binomtest(violations, len(runs), ALPHA, alternative="greater").pvalue < 1e-6
    assert refuted == plug_in
    assert np.mean(said) > 0.1, "a certificate that never says anything would pass too"


# Every certificate


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(PRINTED)))
def test_a_fresh_run_costs_something_and_the_sentence_says_so(name: str) -> None:
    evidence = example(name)
    fresh = observed(evidence, KL(Params()) if evidence.scale > 1 else EXACT)
    build(name).check(fresh, "/spec/certificates/0")
    ours, theirs = build(name)(fresh), build(name)(evidence)
    values = [(here.value, there.value) for here, there in zip(ours.radii, theirs.radii, strict=True)]
    assert all(here <= there for here, there in values)
    # A prediction has the values 0 and 1, and a radius.
    assert any(here < there for here, there in values) or (ours.largest_radius or 0) < (theirs.largest_radius or 0)
    assert [at.value for at in ours.radii] == sorted((at.value for at in ours.radii), reverse=True)
    assert len(values) == len(RADII) and ours.outcome == "certified"
    assert ours.alpha_spent == 2 * theirs.alpha_spent
    for at in ours.radii:
        if at.outcome == "certified":
            assert "95 % confidence over the random sampling of both runs" in at.text
            assert "of a fresh run of 4000 samples" in at.text and "fixed before that run is drawn" in at.text
            assert "smoothed" not in at.text and "every change" not in at.text


@pytest.mark.parametrize("name", PRINTED)
def test_printed_formulas_speak_of_the_smoothed_map_only(name: str) -> None:
    build(name).check(example(name), "/spec/certificates/0")
    with pytest.raises(InvalidSpec, match="smoothed map only") as raised:
        build(name).check(observed(example(name)), "/spec/certificates/0")
    assert raised.value.pointer == "/spec/compare"


def document(**more: Any) -> ExplanationSpec:
    certificates = [{"name": "topk_overlap", "radii": [0.001]}, {"name": "prediction"}]
    plain = {"model": "m", "samples": 1024, "noise": {"name": "gaussian", "sigma": 0.5}, "certificates": certificates}
    return ExplanationSpec.model_validate({**plain, "compare": "observed", **more})


def test_half_of_alpha_goes_to_the_fresh_run(network: nn.Module, image: Tensor) -> None:
    ready = plan(document(), network, image, list("abcd"), 64)
    counts = sample(ready, Segments(), lambda _: None).total
    alpha, findings = ready.alpha(counts), certify(ready, counts)
    assert alpha.rerun == alpha.total / 2 == pytest.approx(0.025)
    assert alpha.intervals + sum(alpha.own.values()) == pytest.approx(alpha.rerun)
    assert sum(item.alpha_spent for item in findings.certificates) == pytest.approx(alpha.total)
    assert findings.evidence.rerun is not None and findings.evidence.rerun.side == findings.evidence.bounds.side
    assert all(point.overlap_as_printed is None for point in findings.curve)
    assert "fresh run of 1024 samples" in findings.certificates[0].statement
    population = plan(document(compare="population"), network, image, list("abcd"), 64)
    assert population.alpha(counts).rerun == 0.0
    theirs = certify(population, counts)
    assert theirs.curve[0].overlap > findings.curve[0].overlap > 0
    assert math.isclose(theirs.evidence.bounds.alpha, 2 * findings.evidence.bounds.alpha)


def test_a_stopped_run_speaks_of_a_fresh_run_of_its_own_length(network: nn.Module, image: Tensor) -> None:
    """Every look pays for both runs, whichever it stops at."""
    until = {"certificate": "topk_overlap", "radius": 0.001, "at_least": 0.05}
    ready = plan(document(samples={"at_most": 4096, "until": until}), network, image, list("abcd"), 64)
    counts = sample(ready, Segments(), lambda _: None).total
    alpha = ready.alpha(counts)
    spent = alpha.rerun + alpha.intervals + sum(alpha.own.values())
    assert counts.samples < 4096 and spent == pytest.approx(ready.looks[alpha.look - 1].alpha) and spent < alpha.total
    assert f"fresh run of {counts.samples} samples" in certify(ready, counts).certificates[0].statement
