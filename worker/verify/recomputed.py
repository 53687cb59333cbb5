"""The most that a run lets each certificate claim, from its counts by the literal formulas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from worker.contract.result import CertificateDocument
from worker.contract.spec import Method
from worker.core.statistics.counts import Counts
from worker.verify.box import INTERVALS, SHIFTS, Box, box
from worker.verify.literal import LITERAL, Found, Most

EXACT = Method(name="clopper_pearson")


class Recomputed:
    """One run's counts, judged by worker.verify alone. Boxes are kept, for many certificates share their radii."""

    def __init__(self, document: CertificateDocument, counts: Counts) -> None:
        self._spec = document.spec
        self._counts = counts
        self._alpha = document.alpha
        self._scale = document.counts.scale
        self._target = document.target.index
        self._elements = int(np.prod(document.provenance.input_shape))
        self._known = self._spec.compare == "population" and self._spec.noise.name in SHIFTS
        self._found: dict[float, Found] = {}

    def most(self, number: int, name: str, params: Mapping[str, Any], rho: float) -> Most | None:
        """The most that certificate `number` of this name may claim within rho; None where no literal form exists."""
        if not self._known:
            return None
        if name == "prediction":
            return self._prediction(number, rho)
        if name not in LITERAL or self._spec.interval.name not in INTERVALS:
            return None
        return LITERAL[name](params, self._at(rho))

    @cached_property
    def _here(self) -> Box:
        counts = self._counts
        return box(self._spec.interval, counts.votes, counts.samples, self._scale, self._alpha.intervals)

    def _at(self, rho: float) -> Found:
        if rho not in self._found:
            there = self._here.moved(self._spec.noise, self._elements, rho)
            sigma, alpha = self._spec.noise.params.get("sigma"), self._alpha.intervals
            self._found[rho] = Found(self._here, there, rho, self._counts.samples, self._scale, alpha, sigma)
        return self._found[rho]

    def _prediction(self, number: int, rho: float) -> Most:
        """1 if the class surely keeps more than half of the noisy images: Cohen et al. 2019, section 3.2.2."""
        name = f"{number}.prediction"
        won = self._counts.tallies[name][self._target or 0]
        # Two-sided at twice the share is one-sided at the share.
        own = box(EXACT, np.array([won]), self._counts.samples, 1, 2 * self._alpha.own[name])
        return Most(float(own.moved(self._spec.noise, self._elements, rho).lower[0] > 0.5))
