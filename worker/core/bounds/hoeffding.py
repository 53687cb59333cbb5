"""Hoeffding's intervals."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from worker.core.bounds.base import Interval, Means


class Hoeffding(Interval):
    """With probability at least 1 - alpha all but the allowed failures of the intervals mean -+ c hold, where
    c = sqrt(ln(1 / side) / 2q) and side = (f + 1) alpha / 2m.

    Assumes independent samples and values in [0,1]; of the same width for every mean, and so never narrower than `kl`.
    With f = 0 the bound of Levine et al. 2019, section 3. Source: Hoeffding 1963, Theorem 1, inequality 2.3.
    """

    name: ClassVar[str] = "hoeffding"
    summary: ClassVar[str] = "Mean plus or minus the same width for every cell, for every map; for comparison"
    source: ClassVar[str] = "Hoeffding 1963, Theorem 1; Levine et al. 2019, section 3"

    def lower(self, means: Means, samples: int, side: float) -> Means:
        return np.maximum(means - math.sqrt(-math.log(side) / (2 * samples)), 0.0)
