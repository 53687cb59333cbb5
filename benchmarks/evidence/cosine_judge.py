"""The cosine of an observed map with the population map at a moved image, from fresh samples with the real network."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from torch import Tensor

from benchmarks.evidence.cosine_plans import counted
from worker.core.certificates.cosine_norm_ball import sampling_error
from worker.core.sampler import Sampler
from worker.core.statistics.counts import Counts

# The certificate has lane 0, an attack and its choice others; each sampler uses the lane after its own too.
JUDGE_LANE = 6
# The ceiling is too low with at most this probability, each on its own.
CEILING_ALPHA = 1e-4


class Cosine(NamedTuple):
    """An estimate of the true cosine, by its error sometimes above 1, and a ceiling: the true one is above it with
    probability at most CEILING_ALPHA."""

    estimate: float
    ceiling: float


def judge(samplers: list[Sampler], observed: list[ndarray], move: Tensor) -> list[Cosine]:
    """For samplers that differ in their map only and what each of them observed at its image."""
    moved = [replace(sampler, image=sampler.image + move, lane=JUDGE_LANE) for sampler in samplers]
    return [
        cosine(seen, counts, sampler.map.scale)
        for seen, counts, sampler in zip(observed, counted(moved), moved, strict=True)
    ]


def cosine(observed: ndarray, counts: Counts, scale: int) -> Cosine:
    """The observed map is fixed; only the mean over the fresh samples has an error.

    Its squared length exceeds the population's by (M^2 - that) / q on average, maps having length M: the estimate
    takes that off. The mean is within M e of the population's (see `sampling_error`), so that the angle is at most
    asin(M e / length) smaller than it looks: the ceiling.
    """
    q = counts.samples
    mean = counts.votes / (q * scale)
    length = float(np.linalg.norm(mean))
    # Unit maps have length 1, maps of zeros and ones the root of their number of ones.
    squares = (q - counts.degenerate) / q if scale > 1 else float(mean.sum())
    inner = float(observed @ mean) / float(np.linalg.norm(observed))
    unbiased = (q * length**2 - squares) / (q - 1)
    estimate = inner / math.sqrt(unbiased) if unbiased > 0 else inner / length
    longest = 1.0 if scale > 1 else math.sqrt(float(mean.sum()) * q / (q - counts.degenerate))
    error = longest * sampling_error(q, CEILING_ALPHA) + (math.sqrt(len(mean)) / scale if scale > 1 else 0.0)
    angle = math.acos(min(1.0, inner / length)) - (math.asin(error / length) if error < length else math.pi)
    return Cosine(estimate, math.cos(max(0.0, angle)))
