"""Small random boxes of intervals around observed maps, for brute force."""

from __future__ import annotations

import numpy as np

from tests.core.evidence import by_hand
from worker.core.bounds.base import Bounds
from worker.core.certificates.evidence import Evidence
from worker.core.noises.gaussian import Gaussian, Params

SAMPLES = 1024


def random_box(rng: np.random.Generator, *, ties: bool, cells: int = 8, failures: int = 0) -> tuple[Evidence, float]:
    """Evidence of up to `cells` cells, and a radius: zero in one of four cases. Some intervals reach 0 or 1."""
    cells = int(rng.integers(3, cells + 1))
    # Sixteenths are exact in binary, so that equal stays equal.
    steps = 16 if ties else SAMPLES
    votes = rng.integers(1, steps, cells) * (SAMPLES // steps)
    # Equal votes get equal intervals, as they do in the service.
    widths = rng.integers(0, steps // 3, (2, SAMPLES)) * (SAMPLES // steps) * rng.choice([0.125, 0.5, 1.0])
    width = widths[:, votes]
    lower, upper = np.clip((votes - width[0]) / SAMPLES, 0, 1), np.clip((votes + width[1]) / SAMPLES, 0, 1)
    noise = Gaussian(Params(sigma=float(rng.uniform(0.1, 0.5))))
    evidence = by_hand(votes, SAMPLES, Bounds(lower, upper, 0.05, 0.01, failures), noise)
    return evidence, float(rng.choice([0.0, rng.uniform(0, 0.1), rng.uniform(0, 0.1), rng.uniform(0, 0.02)]))


def box(evidence: Evidence, rho: float) -> tuple[list[float], list[float]]:
    """The box shifted by rho."""
    bounds, noise = evidence.bounds, evidence.noise
    return noise.lower(bounds.lower, rho).tolist(), noise.upper(bounds.upper, rho).tolist()
