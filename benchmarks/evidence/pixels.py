"""Which pixels are certified salient, by attribution: the box rule beside the published vote rule, and controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np

from benchmarks.evidence import pixel_rules
from benchmarks.evidence.controls import CONTROLS, FIXED_MASKS, RANDOM_WEIGHTS, untrained
from benchmarks.evidence.inputs import Subjects, digits, imagenet, pneumonia
from benchmarks.evidence.pixels_report import report
from benchmarks.evidence.segcertify import Published
from benchmarks.evidence.study import Arrays, Study
from worker.contract.spec import ExplanationSpec, Precision
from worker.core.pipeline import Plan, plan

SIGMA, K, ALPHA, SEED = 0.15, 0.2, 0.05, 30
PUBLISHED, PUBLISHED_SAMPLES = Published(), 110

ONE_PASS = ("gradient", "input_x_gradient", "guided_backprop", "lrp_epsilon", "grad_cam", "grad_cam_plus_plus")
CHEAP = (*ONE_PASS, "fixed positions", *(name + RANDOM_WEIGHTS for name in ("gradient", "guided_backprop", "grad_cam")))
COSTLY = ("integrated_gradients", "occlusion", "rise", "rise" + FIXED_MASKS)


class Share(NamedTuple):
    """`images` images with `samples` samples each, for each of `cases`: attributions and controls."""

    images: int
    samples: int
    cases: tuple[str, ...]


class Place(NamedTuple):
    """Where the images come from, in which precision, and how much of which case is measured there."""

    subjects: Callable[[int], Subjects]
    precision: Precision
    shares: tuple[Share, ...]


# What ends within 45 minutes on two cores: a sample of the costly ones is 16 gradients, or 50 to 65 forward passes.
FULL = {
    "pneumonia": Place(pneumonia, "float32", (Share(8, 2048, CHEAP), Share(8, 512, COSTLY))),
    "digits": Place(digits, "float32", (Share(10, 2048, CHEAP), Share(10, 512, COSTLY))),
    "imagenet": Place(imagenet, "bfloat16", (Share(2, 512, CHEAP), Share(1, 128, COSTLY))),
}
SMALL = {
    "pneumonia": Place(pneumonia, "float32", (Share(1, 256, CHEAP),)),
    "digits": Place(digits, "float32", (Share(1, 256, CHEAP), Share(1, 128, COSTLY))),
}


def study(quick: bool) -> Study:
    """The small form leaves the photographs out: one attribution of one of them takes as long as all the rest."""
    places = SMALL if quick else FULL
    settings = {
        "sigma": SIGMA,
        "k": K,
        "alpha": ALPHA,
        "seed": SEED,
        "granularity": "pixel",
        "published": {**PUBLISHED._asdict(), "samples": PUBLISHED_SAMPLES},
        "runs": {name: [place.precision, *place.shares] for name, place in places.items()},
    }
    units = {
        f"{name}-{case}-{image}": _unit(place, share, case, image)
        for name, place in places.items()
        for share in place.shares
        for case in share.cases
        for image in range(share.images)
    }
    return Study("pixels", settings, units, lambda done: report(done, settings))


def _unit(place: Place, share: Share, case: str, image: int) -> Callable[[], Arrays]:
    return lambda: dict(_certified(place, share, case, image))


@cache
def _subjects(subjects: Callable[[int], Subjects], random_weights: bool) -> Subjects:
    found = subjects(12)
    return found._replace(model=untrained(found.model, SEED)) if random_weights else found


def _certified(place: Place, share: Share, case: str, image: int) -> Iterator[tuple[str, np.ndarray]]:
    """`<setting>.<rule>`: the radius of each cell, with our settings and with the published ones on the same noise."""

    def ready(samples: int, alpha: float) -> Plan:
        card, model, images = _subjects(place.subjects, case.endswith(RANDOM_WEIGHTS))
        spec = ExplanationSpec.model_validate(
            {
                "model": card.name,
                "attribution": {"name": "rise" if case in CONTROLS else case.removesuffix(RANDOM_WEIGHTS)},
                "map": {"name": "sparsified", "tau": K},
                "noise": {"name": "gaussian", "sigma": SIGMA},
                "samples": samples,
                "seed": SEED + image,
                "confidence": 1 - alpha,
                "precision": place.precision,
                "certificates": [{"name": "pixel_status", "k": K}],
            }
        )
        made = plan(spec, model, images[image].pixels, card.classes, card.batch)
        instead = CONTROLS.get(case, made.sampler.attribution)
        return replace(made, sampler=replace(made.sampler, attribution=instead))

    sampler = ready(share.samples, ALPHA).sampler
    votes = pixel_rules.votes(sampler)
    yield "samples", np.array(share.samples)
    yield "map", votes.mean(axis=0, dtype=np.float64).reshape(sampler.grid[1:])
    for setting, samples, alpha in (("ours", share.samples, ALPHA), ("published", PUBLISHED_SAMPLES, PUBLISHED.alpha)):
        rules = pixel_rules.radii(ready(samples, alpha), votes[:samples], PUBLISHED._replace(alpha=alpha))
        yield from ((f"{setting}.{rule}", radius) for rule, radius in rules.items())
