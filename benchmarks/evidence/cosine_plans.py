"""Which cosine certificates are compared, and on which maps and noise laws: the plans of one image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.evidence.inputs import Subjects
from worker.contract.spec import ExplanationSpec, Precision
from worker.core.pipeline import Plan, plan
from worker.core.sampler import Image, Sampler
from worker.core.statistics.counts import Counts

ALPHA, TAU = 0.05, 0.2
LAWS = ("gaussian", "uniform_ball")
# A map, its interval, and the certificates that hold for it (the last of the first hold for nothing).
MAPS: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "unit": ({"name": "unit"}, "kl", ("cosine", "cosine_norm_ball", "wang_kong_2024_as_printed")),
    "sparsified": ({"name": "sparsified", "tau": TAU}, "clopper_pearson", ("cosine",)),
}


class Question(NamedTuple):
    """What is certified for each image, and computed how; sigma and radii in [0,1] pixel units."""

    sigma: float
    radii: tuple[float, ...]
    samples: int
    precision: Precision

    def plans(self, subjects: Subjects, image: Image, law: str, seed: int) -> dict[str, Plan]:
        """One for each of MAPS. The ball smooths as the normal law does: r = sigma sqrt(n + 2)."""
        card, model, _ = subjects
        sigma, r = {"sigma": self.sigma}, {"r": self.sigma * math.sqrt(image.numel() + 2)}
        plans = {}
        for name, (kind, interval, certificates) in MAPS.items():
            spec = ExplanationSpec.model_validate(
                {
                    "model": card.name,
                    "map": kind,
                    "interval": {"name": interval},
                    "noise": {"name": law, **(sigma if law == "gaussian" else r)},
                    "samples": self.samples,
                    "seed": seed,
                    "confidence": 1 - ALPHA,
                    "precision": self.precision,
                    "certificates": [{"name": certificate, "radii": self.radii} for certificate in certificates],
                }
            )
            plans[name] = plan(spec, model, image, card.classes, card.batch)
        return plans


def counted(samplers: Sequence[Sampler]) -> list[Counts]:
    """The counts of samplers that differ in their map only, from one pass a sample."""
    counts = [sampler.empty() for sampler in samplers]
    for block in range(samplers[0].blocks):
        attributed = samplers[0].attributed(block)
        counts = [each.count(so_far, block, attributed) for each, so_far in zip(samplers, counts, strict=True)]
    return counts
