"""Planning: pilot samples choose what a request leaves open; the certificate is drawn from other samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from torch import nn

from worker.contract.result import Candidate, Certificate, PlanReport, Proposal
from worker.contract.spec import ExplanationSpec, Method, Offer, Planning
from worker.core.certificates import CERTIFICATES
from worker.core.combinations import combinations
from worker.core.pilot import LANE, draw, predicted
from worker.core.pipeline import Plan, value
from worker.core.sampler import Image

# About what predictions from a quarter of the budget are off by; see docs/methods.md.
TOLERANCE = 0.05


class Tried(NamedTuple):
    """A candidate, its number of cells, and how far apart the noise laws at x and x + d are: less with more noise."""

    candidate: Candidate
    cells: int
    shift: float


def propose(
    spec: ExplanationSpec,
    asked: Planning,
    model: nn.Module,
    image: Image,
    classes: Sequence[str],
    batch: int,
    on_pilot: Callable[[int], None],
) -> Proposal:
    """What to run for `asked`, by the first certificate's predicted value at the radius: a function of spec and image.

    A proposal and no claim: what few samples predict may not come. The promise of the certificate is untouched, since
    its samples are independent of those that chose. `on_pilot` is told the number of pilot samples so far and may raise
    to stop. Raises a SpecError if no combination is possible, and the errors of `predict`.
    """
    # Two halves of whole blocks; blocks of the model's size would be too many samples for a small pilot.
    blocks = 2 * -(-asked.pilot // (2 * batch))
    size = asked.pilot // blocks
    samples = asked.budget - size * blocks * asked.offer.pairs
    possible = combinations(spec, asked.offer, samples, model, image, classes, batch)
    tried: list[Tried] = []
    done = 0

    def on_block() -> None:
        nonlocal done
        done += size
        on_pilot(done)

    for _, pair in groupby(possible, lambda ready: (ready.spec.attribution, ready.spec.noise)):
        views = [list(view) for _, view in groupby(pair, lambda ready: (ready.spec.granularity, ready.spec.map))]
        samplers = [replace(view[0].sampler, lane=LANE, samples=size * blocks, batch=size) for view in views]
        for view, pilot in zip(views, draw(samplers, on_block), strict=True):
            values = [value(ready, predicted(pilot, ready), 0, asked.radius) for ready in view]
            tried.append(_tried(view[values.index(max(values))], max(values), asked.radius))
    chosen, why = choose(tried, asked.at_least)
    return Proposal(
        asked=asked,
        certificate=spec.certificates[0].name,
        pilot_samples=done,
        samples=samples,
        tried=[each.candidate for each in tried],
        chosen=chosen,
        why=why,
    )


def _tried(ready: Plan, predicted: float, radius: float) -> Tried:
    candidate = Candidate(**{field: getattr(ready.spec, field) for field in Offer.model_fields}, predicted=predicted)
    return Tried(candidate, math.prod(ready.sampler.grid), ready.sampler.noise.total_variation(radius))


def choose(tried: Sequence[Tried], at_least: float | None) -> tuple[Candidate, str]:
    """The candidate that is proposed, and why.

    With `at_least`: of those predicted to reach it, with TOLERANCE to spare, the ones with least noise, of these the
    finest. Without, or where none reaches it: the finest of those within TOLERANCE of the largest value. What is left
    is settled by the value; among equals by more noise, whose values are less often predicted too high.
    """
    wanted = math.inf if at_least is None else min(1.0, at_least + TOLERANCE)
    pool = [each for each in tried if each.candidate.predicted >= wanted]
    if pool:
        least = max(each.shift for each in pool)
        pool = [each for each in pool if each.shift == least]
        why = "the least noise that is predicted to reach what was asked for, and of its maps the finest"
    else:
        best = max(each.candidate.predicted for each in tried)
        pool = [each for each in tried if each.candidate.predicted >= best - TOLERANCE]
        why = f"the finest map predicted to come within {TOLERANCE:g} of the largest value"
        why = why if at_least is None else f"nothing is predicted to reach what was asked for; {why}"
    finest = max(each.cells for each in pool)
    left = [each for each in pool if each.cells == finest]
    return max(left, key=lambda each: (each.candidate.predicted, -each.shift)).candidate, why


def resolved(spec: ExplanationSpec, proposal: Proposal) -> ExplanationSpec:
    """The spec without a plan that the proposal stands for. The first certificate is given at the plan's radius too."""
    first = spec.certificates[0]
    radii = CERTIFICATES.build(first, "/spec/certificates/0").params.radii
    if proposal.asked.radius not in radii:
        first = Method.model_validate({**first.model_dump(), "radii": sorted([*radii, proposal.asked.radius])})
    chosen = {field: getattr(proposal.chosen, field) for field in Offer.model_fields}
    others = [item for item in spec.certificates[1:] if item != first]
    return spec.model_copy(
        update={**chosen, "samples": proposal.samples, "certificates": (first, *others), "plan": None}
    )


def report(proposal: Proposal, first: Certificate) -> PlanReport:
    """What became of the proposal, by the certificate that fresh samples gave."""
    at_least = proposal.asked.at_least
    found = next(at.value for at in first.radii if at.rho == proposal.asked.radius)
    reached = None if at_least is None else found >= at_least
    return PlanReport(**dict(proposal), value=found, reached=reached)
