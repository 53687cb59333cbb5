"""Levine's Figure 2 on real photographs: Theorem 2 as printed beside ours, at equal passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.evidence.imagenet_report import report
from benchmarks.evidence.inputs import Subjects, imagenet
from benchmarks.evidence.study import Arrays, Study
from worker.contract.spec import ExplanationSpec, Method
from worker.core.agreement import agreement
from worker.core.maps import MAPS
from worker.core.maps.base import SampleMap
from worker.core.pipeline import plan

TAUS, SEED, REAL_SAMPLES = (0.05, 0.1, 0.2, 0.4), 20, 1024
SPARSIFIED = {f"sparsified-{tau}": {"name": "sparsified", "tau": tau} for tau in TAUS}
REAL: dict[str, dict[str, object]] = {
    "relaxed": {"name": "relaxed", "tau": 0.1, "gamma": 0.01},
    "scaled": {"name": "scaled"},
    "quadratic": {"name": "quadratic"},
}


class Run(NamedTuple):
    """`images` photographs at one sigma; the counts are kept at each of `samples`. `real`: the real-valued maps too."""

    sigma: float
    images: range
    samples: tuple[int, ...]
    real: bool


# What ends within two hours on two cores. Unit by unit, so that the first sixteen photographs come first.
FULL = (
    Run(0.2, range(16), (256, 512, 1024, 2048, 4096, 8192), real=True),
    Run(0.2, range(16, 64), (256, 512, 1024), real=False),
    *(Run(sigma, range(2), (1024,), real=False) for sigma in (0.3, 0.1, 0.05)),
)
SMALL = (Run(0.2, range(2), (16, 32), real=True), Run(0.3, range(1), (32,), real=False))


def study(quick: bool) -> Study:
    """One pass a sample serves all tau and all radii; see `docs/evidence/imagenet.md`."""
    runs = SMALL if quick else FULL
    settings = {
        "model": "squeezenet1_0",
        "granularity": "element",
        "taus": TAUS,
        "seed": SEED,
        "precision": "bfloat16",
        "runs": [[run.sigma, run.images.start, run.images.stop, run.samples, run.real] for run in runs],
    }
    units = {f"{run.sigma}-{image:02}": _unit(run, image) for run in runs for image in run.images}
    return Study("imagenet", settings, units, report)


@cache
def _subjects() -> Subjects:
    return imagenet(64)


def _built(methods: dict[str, dict[str, object]]) -> dict[str, SampleMap]:
    return {name: MAPS.build(Method.model_validate(method), "/spec/map") for name, method in methods.items()}


def _unit(run: Run, image: int) -> Callable[[], Arrays]:
    return lambda: dict(_sample(run, image))


def _sample(run: Run, image: int) -> Iterator[tuple[str, np.ndarray]]:
    """Votes per element for each tau, `sparsified-<tau>-<q>`, and at the last real-valued ones, `<map>-<q>`."""
    card, model, images = _subjects()
    most = max(run.samples)
    spec = ExplanationSpec.model_validate(
        {
            "model": card.name,
            "granularity": "element",
            "noise": {"name": "gaussian", "sigma": run.sigma},
            "samples": most,
            "seed": SEED + image,
            "precision": "bfloat16",
        }
    )
    sampler = plan(spec, model, images[image].pixels, card.classes, card.batch).sampler
    maps, real = _built(SPARSIFIED), _built(REAL if run.real else {})
    last_real = min(most, REAL_SAMPLES)
    votes = {name: torch.zeros(images[image].pixels.numel(), dtype=torch.int64) for name in (*maps, *real)}
    for block in range(sampler.blocks):
        cells, _ = sampler.cells(block)
        done = (block + 1) * sampler.batch
        with torch.no_grad():
            for name, each in (maps | (real if done <= last_real else {})).items():
                votes[name] += each(cells).votes.sum(dim=0)
        for name in maps:
            if done in run.samples:
                yield f"{name}-{done}", votes[name].numpy().astype(np.uint16)
    for name in real:
        yield f"{name}-{last_real}", votes[name].numpy()
    measured = agreement(sampler)
    yield "agreement", np.array(measured.cosine if measured else 1.0)
