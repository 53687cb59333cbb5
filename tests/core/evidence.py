"""Evidence by hand: votes, intervals and noise as a test wants them, everything else plain."""

from __future__ import annotations

from typing import Any

import numpy as np

from worker.core.bounds.base import Bounds
from worker.core.certificates.evidence import Evidence
from worker.core.granularities.base import Layout
from worker.core.noises.base import Noise


def layout(layers: int, height: int, width: int) -> Layout:
    """One cell per pixel of each layer."""
    return Layout(layers, height, width, tuple(range(height)), tuple(range(width)))


def by_hand(votes: np.ndarray, samples: int, bounds: Bounds, noise: Noise, **more: Any) -> Evidence:
    plain: dict[str, Any] = {"interval": "clopper_pearson", "noun": "cells", "subject": "class 'a'"}
    plain |= {"grid": (1, 1, len(votes)), "layout": layout(1, 1, len(votes)), "map": "sparsified", "target": 0}
    plain |= {"alpha": bounds.alpha, "share": bounds.alpha, **more}
    return Evidence(votes=votes, samples=samples, bounds=bounds, noise=noise, **plain)
