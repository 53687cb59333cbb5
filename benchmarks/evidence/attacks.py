"""Certificates under attack: moves inside the radius, searched for in five ways, and what they really break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from benchmarks.evidence.attack import look
from benchmarks.evidence.attacks_judge import MISJUDGED, PLANTED, Found, judge, planted
from benchmarks.evidence.attacks_report import report
from benchmarks.evidence.attacks_search import Search
from benchmarks.evidence.attacks_settings import ALPHA, ATTACKS, FULL, QUICK, SEED, TAU, K, Run
from benchmarks.evidence.inputs import Subjects, digits, imagenet, pneumonia
from benchmarks.evidence.study import Arrays, Study
from worker.contract.spec import ExplanationSpec
from worker.core.pipeline import certify, plan

SOURCES: dict[str, Callable[[int], Subjects]] = {"pneumonia": pneumonia, "digits": digits, "squeezenet": imagenet}
# Of the radius, so that rounding the moved image to float32 does not take it outside the ball.
SHRINK = 0.9999
# The judge's random numbers: not those of the certificate or of the search.
JUDGE = 10_000_000


def study(quick: bool) -> Study:
    """Each unit is an image: one sampling certifies all its radii, each of which is attacked and judged."""
    runs = QUICK if quick else FULL
    settings: dict[str, Any] = {
        "runs": [{**run._asdict(), "sizes": run.sizes._asdict()} for run in runs],
        "k": K,
        "tau": TAU,
        "alpha": ALPHA,
        "alpha_of_a_judged_move": MISJUDGED,
        "seed": SEED,
        "attacks": list(ATTACKS),
        "planted": PLANTED,
    }
    units = {f"{run.model}-{run.sigma}-{image:02}": _unit(run, image) for run in runs for image in range(run.images)}
    return Study("attacks", settings, units, lambda done: report(done, settings))


@cache
def _subjects(model: str, count: int) -> Subjects:
    return SOURCES[model](count)


def _unit(run: Run, image: int) -> Callable[[], Arrays]:
    return lambda: _attacked(run, image)


def _attacked(run: Run, image: int) -> Arrays:
    """Claims at each radius, [radii], and what is found of them at the judged move; see `Found`."""
    card, model, images = _subjects(run.model, run.images)
    spec = ExplanationSpec.model_validate(
        {
            "model": card.name,
            "map": {"name": "sparsified", "tau": TAU},
            "noise": {"name": "gaussian", "sigma": run.sigma},
            "samples": run.samples,
            "seed": SEED + image,
            "confidence": 1 - ALPHA,
            "precision": run.precision,
            "interval": {"name": "clopper_pearson", "allowed_failures": run.failures},
            "certificates": [
                {"name": "topk_overlap", "k": K, "radii": run.radii},
                {"name": "pixel_status", "k": K, "radii": run.radii},
                {"name": "cosine", "radii": run.radii},
            ],
        }
    )
    ready = plan(spec, model, images[image].pixels, card.classes, run.batch)
    counts, votes = look(ready.sampler)
    found = certify(ready, counts)
    evidence, size = found.evidence, found.size
    overlap, status, cosine = found.certificates
    moves = Search(run.sizes, ready.sampler, evidence, size, votes)(torch.tensor(run.radii))

    def judged(move: Tensor, marked: ndarray) -> Found:
        there = ready.sampler.image + SHRINK * move
        moved = replace(ready.sampler, image=there, samples=run.judged, seed=JUDGE + image)
        length = float((there.double() - ready.sampler.image.double()).norm())
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
