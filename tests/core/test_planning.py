"""Planning: what is chosen and why, that pilots stay apart from certificates, and that choosing voids no promise."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from models.cards import shipped
from models.registry import Registry
from tests.conftest import REPOSITORY, shared
from tests.core.evidence import by_hand
from worker.contract.errors import InvalidSpec, NoCells, SpecError
from worker.contract.result import Candidate, Proposal
from worker.contract.spec import ExplanationSpec, Method, Offer
from worker.core.bounds.base import Params as Failures
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.certificates.prediction import Prediction
from worker.core.combinations import LEAST_CELLS, combinations
from worker.core.noises.gaussian import Gaussian
from worker.core.noises.gaussian import Params as Sigma
from worker.core.pilot import LANE, Pilot, predicted
from worker.core.pipeline import Plan, certify, plan, sample, value
from worker.core.planning import TOLERANCE, Tried, choose, propose, report, resolved
from worker.core.statistics.counts import Counts
from worker.core.statistics.segments import Segments
from worker.service.images import decode, to_input

CLASSES = list("abcd")


def asks(**fields: Any) -> ExplanationSpec:
    planning = {"radius": 0.05, "budget": 1024, **fields.pop("plan", {})}
    return ExplanationSpec.model_validate({"model": "m", "plan": planning, **fields})


def proposal(spec: ExplanationSpec, network: nn.Module, image: Tensor, *, batch: int = 32) -> Proposal:
    assert spec.plan
    return propose(spec, spec.plan, network, image, CLASSES, batch, lambda done: None)


def run(spec: ExplanationSpec, network: nn.Module, image: Tensor, *, batch: int = 32) -> tuple[Plan, Counts]:
    ready = plan(spec, network, image, CLASSES, batch)
    return ready, sample(ready, Segments(), lambda counts: None).total


def test_pilots_have_draws_of_their_own(network: nn.Module, image: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the certificate's draws the same request would predict other values."""
    spec = asks(noise={"name": "gaussian", "sigma": 0.3}, certificates=[{"name": "kendall"}])
    own = proposal(spec, network, image)
    monkeypatch.setattr("worker.core.planning.LANE", 0)
    assert [item.predicted for item in proposal(spec, network, image).tried] != [item.predicted for item in own.tried]


def test_a_field_that_is_given_is_the_only_one_offered_also_after_a_round_trip() -> None:
    spec = asks(noise={"name": "uniform_ball", "r": 2.0}, granularity="pixel")
    assert spec.plan
    assert [item.params for item in spec.plan.offer.noise] == [{"r": 2.0}]
    assert [item.name for item in spec.plan.offer.granularity] == ["pixel"]
    assert spec.plan.offer.map == Offer().map, "what is not given is open"
    assert spec.at_most == 1024
    assert ExplanationSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec
    both = asks(noise={"name": "gaussian", "sigma": 0.5}, plan={"offer": {"noise": [{"name": "gaussian", "sigma": 1}]}})
    assert both.plan and both.plan.offer.noise[0].params == {"sigma": 1}, "an offer that is given counts"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"samples": 64}, "leave `samples` out"),
        ({"samples": {"at_most": 64, "until": {"certificate": "topk_overlap", "radius": 1, "at_least": 0.1}}}, "leave"),
        ({"plan": {"budget": 1023}}, "take 1024"),
        ({"plan": {"offer": {"noise": [{"name": "gaussian", "sigma": n} for n in (1, 2, 3, 4, 5)]}}}, "take 1280"),
        ({"plan": {"offer": {"map": [{"name": "sparsified", "tau": n / 10} for n in range(1, 9)],
                             "attribution": [{"name": "gradient"}] * 2}}}, "at most 1024"),
    ],
)  # fmt: skip
def test_a_plan_that_contradicts_itself_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        asks(**fields)


def test_the_budget_is_divided_and_the_pilot_is_told(network: nn.Module, image: Tensor) -> None:
    spec, told = asks(plan={"budget": 1100}), []
    assert spec.plan
    found = propose(spec, spec.plan, network, image, CLASSES, 32, told.append)
    assert found.pilot_samples + found.samples == 1100
    assert told == sorted(told) and told[-1] == found.pilot_samples <= 275
    assert found.pilot_samples > 250
    assert found == proposal(spec, network, image), "the same request makes the same plan"
    assert found != proposal(asks(plan={"budget": 1100}, seed=1), network, image)
    names = {(item.granularity.name, *item.granularity.params.values()) for item in found.tried}
    assert names == {("pixel",)}, "100 pixels make 25 patches, which is less than the least"
    assert len(found.tried) == 4 * 3


def test_the_run_is_that_of_the_resolved_spec_and_no_pilot_enters_it(network: nn.Module, image: Tensor) -> None:
    spec = asks(plan={"radius": 0.02}, seed=4)
    found = proposal(spec, network, image)
    direct = resolved(spec, found)
    assert direct.plan is None and direct.seed == 4 and direct.samples == found.samples
    written = ExplanationSpec.model_validate_json(direct.model_dump_json(by_alias=True))
    ready, counts = run(written, network, image)
    assert sorted(ready.certifiers[0].params.radii) == [0.01, 0.02, 0.03, 0.1], (
        "the radius that was planned for is shown"
    )
    done = report(found, certify(ready, counts).certificates[0])
    assert done.value == value(ready, counts, 0, 0.02) and done.reached is None
    assert counts.samples == found.samples
    elsewhere = replace(ready.sampler, lane=LANE)
    assert elsewhere.update(elsewhere.empty(), 0).digest != ready.sampler.update(ready.sampler.empty(), 0).digest
    assert not np.array_equal(*(ready.sampler.noise.draw(4, 0, (8, 1, 10, 10), lane).numpy() for lane in (0, LANE)))


def candidate(predicted: float, cells: int, shift: float, sigma: float = 1.0) -> Tried:
    noise = Method.model_validate({"name": "gaussian", "sigma": sigma})
    others = {field: Method(name="x") for field in ("attribution", "map", "granularity", "interval")}
    return Tried(Candidate(**others, noise=noise, predicted=predicted), cells, shift)


@pytest.mark.parametrize(
    ("at_least", "expected"), [(None, 2), (0.3, 0), (0.5, 1), (0.76, 5), (1.0, 2), (0.35, 0)]
)  # fmt: skip
def test_what_is_preferred(at_least: float | None, expected: int) -> None:
    tried = [
        candidate(0.4, 100, 0.9),  # the least noise
        candidate(0.6, 100, 0.5),
        candidate(0.85 - TOLERANCE, 400, 0.2),  # the finest of the good ones
        candidate(0.85, 100, 0.2),
        candidate(0.39, 25, 0.9),
        candidate(0.84, 399, 0.2),
    ]
    chosen, why = choose(tried, at_least)
    assert chosen == tried[expected].candidate
    assert ("nothing is predicted" in why) == (at_least == 1.0)


def test_a_value_of_one_can_be_asked_for() -> None:
    assert choose([candidate(0.97, 100, 0.9), candidate(1.0, 100, 0.1)], 1.0)[0].predicted == 1.0


def test_combinations_that_do_not_fit_are_left_out(network: nn.Module, image: Tensor) -> None:
    def possible(offer: dict[str, Any], **fields: Any) -> list[Plan]:
        spec = asks(**fields)
        return combinations(spec, Offer.model_validate(offer), 64, network, image, CLASSES, 8)

    sizes = {each.sampler.grid for each in possible({})}
    assert sizes == {(1, 10, 10)} and LEAST_CELLS > 25
    assert {each.sampler.grid for each in possible({"granularity": [{"name": "patch", "size": 4}]})} == {(1, 3, 3)}
    mixed = {"map": [{"name": "unit"}, {"name": "sparsified", "tau": 0.1}],
             "interval": [{"name": "clopper_pearson"}, {"name": "kl"}]}  # fmt: skip
    fits = {(each.spec.map.name, each.spec.interval.name) for each in possible(mixed)}
    assert fits == {("sparsified", "clopper_pearson"), ("sparsified", "kl"), ("unit", "kl")}
    refusals: list[tuple[dict[str, Any], dict[str, Any], type[SpecError], str]] = [
        ({"map": [{"name": "unit"}]}, {}, InvalidSpec, "/spec/interval/name"),
        ({"noise": [{"name": "gaussian", "sigma": -1}]}, {}, InvalidSpec, "/spec/plan/offer/noise/0/sigma"),
        ({}, {"certificates": [{"name": "topk_overlap", "k": 0.001}]}, NoCells, "/spec/certificates/0/k"),
        ({"map": [{"name": "unit"}], "interval": [{"name": "kl"}]},
         {"certificates": [{"name": "wang_kong_2024_as_printed"}]}, InvalidSpec, "/spec/certificates/0/name"),
    ]  # fmt: skip
    for offer, fields, error, pointer in refusals:
        with pytest.raises(error) as raised:
            possible(offer, **fields)
        assert raised.value.pointer == pointer


CERTIFICATES = [
    {"name": "topk_overlap"}, {"name": "pixel_status"}, {"name": "vote_status"}, {"name": "certified_rank"},
    {"name": "kendall"}, {"name": "cosine"}, {"name": "prediction"},
    {"name": "region_mass", "region": {"box": [0, 0, 10, 5]}},
]  # fmt: skip


@pytest.mark.parametrize("certificate", CERTIFICATES, ids=lambda item: str(item["name"]))
def test_every_certificate_can_be_planned_for(network: nn.Module, image: Tensor, certificate: dict[str, Any]) -> None:
    few = {"noise": [{"name": "gaussian", "sigma": 0.3}], "interval": [{"name": "clopper_pearson"}]}
    spec = asks(certificates=[certificate], plan={"radius": 0.005, "budget": 2048, "offer": few})
    found = proposal(spec, network, image)
    ready, counts = run(resolved(spec, found), network, image)
    fresh = value(ready, counts, 0, 0.005)
    assert found.chosen.predicted == pytest.approx(fresh, abs=0.12)
    print(f"{certificate['name']}: predicted {found.chosen.predicted:.3f}, fresh samples gave {fresh:.3f}")


def test_shares_are_drawn_towards_their_mean_because_few_samples_scatter_them(
    network: nn.Module, image: Tensor
) -> None:
    """Cells of known means: values predicted from 64 samples are off by less, and less too high, than unshrunk ones."""
    rng = np.random.default_rng(8)
    ready, _ = run(ExplanationSpec.model_validate({"model": "m", "samples": 1024}), network, image)
    errors = []
    for _ in range(60):
        means = rng.beta(1.0, 6.0, 100)
        halves = [Counts.empty(100, 2).update(at, rng.binomial(32, means), 32, 0) for at in (0, 1)]
        whole = halves[0].merge(halves[1])
        raw = replace(whole, votes=16 * whole.votes, samples=1024, blocks=np.ones(32, dtype=np.bool_))
        fresh = replace(raw, votes=rng.binomial(1024, means).astype(np.int64))
        true, with_, without = (value(ready, each, 0, 0.01) for each in (fresh, predicted(Pilot(*halves), ready), raw))
        errors.append((with_ - true, without - true))
    (bias, raw_bias), (off, raw_off) = np.mean(errors, axis=0), np.abs(errors).mean(axis=0)
    print(f"off by {off:.3f} (bias {bias:+.3f}); unshrunk {raw_off:.3f} (bias {raw_bias:+.3f})")
    assert off < raw_off and abs(bias) < raw_bias


RHO, RUNS, Q, ALPHA = 0.1, 600, 400, 0.05
SIGMAS = (0.06, 0.1, 0.16, 0.3, 0.6, 1.5)


@cache
def claimed(sigma: float, kept: int) -> float:
    """What the certificate of the class says at RHO when so many of Q noisy images get it."""
    votes, noise = np.array([kept]), Gaussian(Sigma(sigma=sigma))
    bounds = ClopperPearson(Failures())(votes, Q, 1, ALPHA)
    evidence = by_hand(votes, Q, bounds, noise, tallies={"own": np.array([kept, Q - kept])})
    return Prediction(Prediction.Params()).claim(evidence, RHO).value


def violations(pilot_lane: int) -> int:
    """How often the class is certified at a radius where it does not stay, for the noise that the plan chose.

    The class is kept up to an l2 distance of exactly RHO, so under every noise any claim at RHO is a violation. The
    pilot has the samples of the certificate if its lane is theirs.
    """

    def claims(seed: int, lane: int) -> dict[float, float]:
        drawn = Gaussian(Sigma(sigma=1.0)).draw(seed, 0, (Q, 1), lane).numpy()
        return {sigma: claimed(sigma, int((sigma * drawn > -RHO).sum())) for sigma in SIGMAS}

    count = 0
    for seed in range(RUNS):
        pilot = claims(seed, pilot_lane)
        tried = [candidate(pilot[sigma], 1, -sigma, sigma) for sigma in SIGMAS]
        sigma = choose(tried, None)[0].noise.params["sigma"]
        count += claims(seed, 0)[sigma] == 1.0
    return count


def test_choosing_from_pilots_keeps_the_promise() -> None:
    """An exact binomial test cannot reject "violated with probability at most alpha"."""
    found = violations(LANE)
    print(f"planned: {found} violations in {RUNS}")
    assert binomtest(found, RUNS, ALPHA, alternative="greater").pvalue > 0.01
    assert found > 0.3 * ALPHA * RUNS, "at its edge the certificate is nearly tight, so a wrong stream would show"


def test_the_measurement_can_fail() -> None:
    """Choosing by the certificate's own samples breaks the same promise."""
    found = violations(0)
    print(f"chosen by its own samples: {found} violations in {RUNS}")
    assert binomtest(found, RUNS, ALPHA, alternative="greater").pvalue < 1e-4


def compared(model: str, image: Tensor, budget: int, **fields: Any) -> tuple[float, float, float]:
    """(predicted, planned, default): the chosen plan's value at 0.1, and the default spec's at as many passes."""
    registry = Registry([shipped()])
    card, network = registry.cards[model], registry.get(model)
    fields = {"model": model, "interval": {"name": "clopper_pearson"}, **fields}
    spec = ExplanationSpec.model_validate({**fields, "plan": {"radius": 0.1, "budget": budget}})
    assert spec.plan
    found = propose(spec, spec.plan, network, image, card.classes, card.batch, lambda done: None)
    values = []
    for each in (resolved(spec, found), ExplanationSpec.model_validate({**fields, "samples": budget})):
        ready = plan(each, network, image, card.classes, card.batch)
        values.append(value(ready, sample(ready, Segments(), lambda counts: None).total, 0, 0.1))
    return found.chosen.predicted, values[0], values[1]


def test_a_plan_certifies_more_than_the_default_on_digits() -> None:
    """At equal passes, those of the pilot included, on fresh samples."""
    size = Registry([shipped()]).cards["digits"].input
    files = sorted((REPOSITORY / "models" / "digits" / "samples").glob("digit-[1-4]-0.png"))
    images = [to_input(decode(file.read_bytes(), 10**4), size).pixels for file in files]
    found = np.array([compared("digits", image, 2048) for image in images])
    predicted, planned, default = found.mean(axis=0)
    print(f"digits: {len(found)}; predicted {predicted:.3f}, planned {planned:.3f}, default {default:.3f}")
    assert planned > default
    assert abs(found[:, 0] - found[:, 1]).mean() < 0.1


def test_a_plan_certifies_more_than_the_default_on_a_chest_film() -> None:
    with np.load(shared("data/pneumonia28.npz"), allow_pickle=False) as data:
        film = torch.from_numpy(data["test_images"][0][None].astype(np.float32) / 255)
    predicted, planned, default = compared("pneumonia", film, 1024, target={"class": 1})
    print(f"film: predicted {predicted:.3f}, planned {planned:.3f}, default {default:.3f}")
    assert planned > default + 0.1
