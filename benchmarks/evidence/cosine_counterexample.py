"""A map as Wang and Kong's Theorem 1 allows it, whose cosine falls to 0 where the printed formula says 0.447."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.evidence.cosine_judge import judge
from benchmarks.evidence.cosine_plans import Question, counted
from benchmarks.evidence.inputs import digits
from worker.core.attributions.base import Attributed, Attribution, Images
from worker.core.certificates.wang_kong_2024_as_printed import printed
from worker.core.pipeline import certify
from worker.core.registry import NoParams

# In 64 elements the balls around x and x + d then share about half of their volume.
SIGMA, RHO, SAMPLES, SEED = 0.25, 0.34, 4096, 39


class OneSided(Attribution):
    """e1 in the ball around x alone, e2 in the ball around x + d alone, 0 elsewhere."""

    name: ClassVar[str] = "one_sided"
    summary: ClassVar[str] = "Counter-example to Wang and Kong 2024, Theorem 1"
    source: ClassVar[str] = "Surety, certificates.md section 5"

    def __init__(self, image: Tensor, move: Tensor, r: float) -> None:
        super().__init__(NoParams())
        self.centres, self.r = torch.stack([image, image + move]).double(), r

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        distances = (images.double()[:, None] - self.centres).flatten(2).norm(dim=2)
        here, there = (distances <= self.r).unbind(dim=1)
        batch, _, height, width = images.shape
        shown = torch.zeros(batch, height * width)
        shown[:, 0], shown[:, 1] = (here & ~there).float(), (there & ~here).float()
        return Attributed(shown.reshape(batch, height, width), torch.zeros(batch, 1))


def counterexample() -> dict[str, np.ndarray]:
    return dict(_computed())


def _computed() -> Iterator[tuple[str, np.ndarray]]:
    """What the three certificates say within RHO, the printed formula for exact means, and the cosine that is there."""
    subjects = digits(1)
    image = subjects.images[0].pixels
    move = torch.zeros_like(image)
    move[0, 0, 0] = RHO
    ready = Question(SIGMA, (RHO,), SAMPLES, "float32").plans(subjects, image, "uniform_ball", SEED)["unit"]
    one_sided = OneSided(image, move, ready.sampler.noise.params.r)
    ready = replace(ready, sampler=replace(ready.sampler, attribution=one_sided))
    found = certify(ready, counted([ready.sampler])[0])
    yield from ((certificate.name, np.array(certificate.radii[0].value)) for certificate in found.certificates)
    yield "rho", np.array(RHO)
    yield "samples", np.array(SAMPLES)
    share = ready.sampler.noise.total_variation(RHO)
    yield "share", np.array(share)
    yield "exact", np.array(printed(share, 2 * share))
    (seen,) = judge([ready.sampler], [found.evidence.mean], move)
    yield "found", np.array(seen.estimate)
    yield "ceiling", np.array(seen.ceiling)
