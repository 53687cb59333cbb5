"""Levine's Theorem 2 as printed, kept for comparison."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import ndtr, ndtri

from worker.contract.errors import InvalidSpec
from worker.contract.result import IntervalUsed
from worker.core.certificates.base import require_population
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.topk import TopKCertifier, share
from worker.core.certificates.words import promise, scope
from worker.core.noises.gaussian import Gaussian
from worker.core.registry import Guarantee


class TopKOverlapAsPrinted(TopKCertifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, at least i of the top-K cells
    stay, where i <= K is the largest with L^(h_[i]) >= h_[2K-i], L^(z) = Phi(Phi^-1(z - c) - 2 rho / sigma) - c and
    c = sqrt(ln(2m / alpha) / 2q).

    Holds, but is looser than `topk_overlap`: Hoeffding's intervals, and an index off by one that can never certify
    all K. Gaussian noise only; of the population map only. Source: Levine et al. 2019, Definition 2.2 and Theorem 2.
    """

    name: ClassVar[str] = "topk_overlap_as_printed"
    summary: ClassVar[str] = "Levine's Theorem 2 as printed: valid but loose, for comparison"
    source: ClassVar[str] = "Levine et al. 2019, Theorem 2"
    guarantee: ClassVar[Guarantee] = "probabilistic"

    def check(self, evidence: Evidence, pointer: str) -> None:
        super().check(evidence, pointer)
        require_population(evidence, self.name)

    def certified(self, evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> Int[ndarray, " radii"]:
        if not isinstance(evidence.noise, Gaussian):
            raise InvalidSpec("Levine's Theorem 2 is stated for Gaussian noise only.", pointer="/spec/noise/name")
        means = evidence.mean[evidence.order]
        index = np.arange(max(1, 2 * size - evidence.cells), size + 1)
        floor_input = np.clip(means[index - 1] - self._error(evidence), 0.0, 1.0)
        rival = means[2 * size - index - 1]
        return np.array(
            [self._largest(evidence, floor_input, rival, index, float(rho)) for rho in radii], dtype=np.int64
        )

    def _largest(
        self,
        evidence: Evidence,
        floor_input: Float[ndarray, " ranks"],
        rival: Float[ndarray, " ranks"],
        index: Int[ndarray, " ranks"],
        rho: float,
    ) -> int:
        floor = ndtr(ndtri(floor_input) - 2 * rho / evidence.noise.params.sigma) - self._error(evidence)
        return int(index[floor >= rival].max(initial=0))

    def _error(self, evidence: Evidence) -> float:
        # Real values were rounded down to whole votes; what that cut off is added.
        cut = 0.0 if evidence.scale == 1 else 1 / evidence.scale
        return float(np.sqrt(np.log(2 * evidence.cells / evidence.bounds.alpha) / (2 * evidence.samples)) + cut)

    def interval(self, evidence: Evidence) -> IntervalUsed:
        side = evidence.bounds.alpha / (2 * evidence.cells)
        return IntervalUsed(name="hoeffding", allowed_failures=0, side_error=side, cells=evidence.cells)

    def sentence(self, evidence: Evidence, size: int, rho: float, count: int) -> str:
        return (
            f"{promise(evidence)}, Levine's Theorem 2 as printed proves that {share(evidence, size, count)} stay among "
            f"the {size} most salient of the smoothed map under {scope(evidence, rho)}."
        )
