"""Certificates under attack: moves inside the radius, searched for in five ways, and what they really break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.evidence.attacks_judge import ALPHA, PLANTED, Found, judge, planted
from benchmarks.evidence.attacks_report import report
from benchmarks.evidence.attacks_search import ATTACKS, Search, Sizes, look
from benchmarks.evidence.inputs import Subjects, digits, imagenet, pneumonia
from benchmarks.evidence.study import Arrays, Study
from worker.contract.spec import ExplanationSpec
from worker.core.pipeline import certify, plan

K, TAU, CONFIDENCE, SEED = 0.2, 0.1, 0.95, 40
CERTIFICATES = ("topk_overlap", "pixel_status", "cosine")
SOURCES: dict[str, Callable[[int], Subjects]] = {"pneumonia": pneumonia, "digits": digits, "squeezenet": imagenet}
# Of the radius, so that rounding the moved image to float32 does not take it outside the ball.
SHRINK = 0.9999
# The judge's random numbers: not those of the certificate or of the search.
JUDGE = 10_000_000


class Run(NamedTuple):
    """`count` images of a model at one sigma: the samples of the certificate and of the judge, and the search's sizes."""

    model: str
    count: int
    sigma: float
    radii: tuple[float, ...]
    samples: int
    judged: int
    sizes: Sizes
    batch: int = 512
    precision: str = "float32"
    failures: int = 0


# What ends within an hour on two cores.
SMALL_IMAGE, PHOTOGRAPH = Sizes(8, 32, 256, 1024, 16), Sizes(5, 4, 128, 256, 8)
FULL = (
    Run("pneumonia", 52, 0.25, (0.03, 0.06, 0.1, 0.14, 0.2), 4096, 8192, SMALL_IMAGE),
    Run("digits", 20, 0.25, (0.03, 0.06, 0.1, 0.14, 0.2, 0.25), 4096, 8192, SMALL_IMAGE),
    Run("digits", 20, 0.15, (0.03, 0.06, 0.1, 0.14, 0.2, 0.25), 4096, 8192, SMALL_IMAGE),
    Run("squeezenet", 2, 0.25, (0.02, 0.04, 0.08), 1024, 1024, PHOTOGRAPH, 16, "bfloat16", 100),
)
QUICK = (
    Run("digits", 3, 0.15, (0.06, 0.25), 2048, 2048, Sizes(4, 16, 128, 1024, 4)),
    Run("pneumonia", 1, 0.25, (0.03,), 512, 512, Sizes(2, 8, 64, 64, 2), 64),
)


def study(quick: bool) -> Study:
    """Each unit is an image: one sampling certifies all its radii, each of which is attacked and judged."""
    runs = QUICK if quick else FULL
    settings = {
        "runs": [{**run._asdict(), "sizes": run.sizes._asdict()} for run in runs],
        "k": K,
        "tau": TAU,
        "alpha": round(1 - CONFIDENCE, 9),
        "alpha_of_a_judged_move": ALPHA,
        "seed": SEED,
        "attacks": ATTACKS,
        "planted": PLANTED,
    }
    units = {f"{run.model}-{run.sigma}-{image:02}": _unit(run, image) for run in runs for image in range(run.count)}
    return Study("attacks", settings, units, partial(report, settings))


@cache
def _subjects(model: str, count: int) -> Subjects:
    return SOURCES[model](count)


def _unit(run: Run, image: int) -> Callable[[], Arrays]:
    return lambda: _attacked(run, image)


def _attacked(run: Run, image: int) -> Arrays:
    """Claims at each radius, [radii], and what is found of them at the judged move; see `Found`."""
    card, model, images = _subjects(run.model, run.count)
    spec = ExplanationSpec.model_validate(
        {
            "model": card.name,
            "map": {"name": "sparsified", "tau": TAU},
            "noise": {"name": "gaussian", "sigma": run.sigma},
            "samples": run.samples,
            "seed": SEED + image,
            "confidence": CONFIDENCE,
            "precision": run.precision,
            "interval": {"name": "clopper_pearson", "allowed_failures": run.failures},
            "certificates": [{"name": name, "radii": run.radii} for name in CERTIFICATES],
        }
    )
    ready = plan(spec, model, images[image].pixels, card.classes, run.batch)
    counts, votes = look(ready.sampler)
    found = certify(ready, counts)
    evidence, size = found.evidence, found.size
    overlap, status, cosine = found.certificates
    moves = Search(run.sizes, ready.sampler, evidence, size, votes)(torch.tensor(run.radii))

    def judged(move: Tensor, marked: np.ndarray) -> Found:
        moved = replace(ready.sampler, image=ready.sampler.image + SHRINK * move, samples=run.judged, seed=JUDGE + image)
        length = float((moved.image.double() - ready.sampler.image.double()).norm())
        if length > float(move.double().norm()):
            raise ValueError("the judged image lies outside of the ball")
        return judge(evidence, size, marked, look(moved)[0])

    judgements = [judged(move, found.salient > rho) for rho, move in zip(run.radii, moves.chosen, strict=True)]
    still = judged(torch.zeros_like(moves.chosen[0]), found.salient > 0)
    return {
        "radii": np.array(run.radii),
        "size": np.array(size),
        "certified": np.array([at.certified for at in overlap.radii]),
        "marked": np.array([at.certified for at in status.radii]),
        "failures": np.array(run.failures),
        "cosine_certified": np.array([at.value for at in cosine.radii]),
        "planted": np.array([planted(evidence, size, rho) for rho in run.radii]),
        "attack": moves.attack,
        "screened": moves.screened,
        "moves": moves.chosen.numpy(),
        **{field: np.array([getattr(each, field) for each in judgements]) for field in Found._fields},
        **{f"still_{field}": np.array(value) for field, value in still._asdict().items()},
    }

