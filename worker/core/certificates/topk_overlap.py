"""Top-K overlap, exact for the box of intervals."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from worker.core.certificates.evidence import Evidence
from worker.core.certificates.topk import TopKCertifier, share
from worker.core.certificates.words import other_map, promise, scope
from worker.core.registry import Guarantee


class TopKOverlap(TopKCertifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, the top-K set of the
    population map at x + d (ties broken in any way) shares at least this many cells with that of the observed map.

    Exact: some map that leaves the shifted intervals [l, u] in f cells, as many as may fail, shares no more. With S the
    observed top-K set, j members can be lost exactly if for some t j members of S are at most t and j other cells at
    least t (ties count against us). A(t) = #{i in S: l_i <= t} and B(t) = #{i not in S: u_i >= t} cells can be so
    inside their intervals, and each failed cell, which may be anything in [0,1], makes up for one that is missing:
    max(0, j - A) + max(0, j - B) <= f, that is j <= min(A + f, B + f, (A + B + f) / 2).

    Compared with the observed map of a fresh run under `compare: observed`; see rerun.py.
    Source: certificates.md section 5; replaces Levine et al. 2019, Theorem 2.
    """

    name: ClassVar[str] = "topk_overlap"
    summary: ClassVar[str] = "At least this many of the K most salient cells stay among the K most salient"
    source: ClassVar[str] = "Surety: exact for the interval box; betters Levine et al. 2019, Theorem 2"
    guarantee: ClassVar[Guarantee] = "probabilistic"

    def certified(self, evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> Int[ndarray, " radii"]:
        inside, outside = evidence.order[:size], evidence.order[size:]
        # Few different counts occur among many cells: each of their bounds is shifted once for each radius.
        low, lows = np.unique(evidence.bounds.lower[inside], return_counts=True)
        high, highs = np.unique(evidence.bounds.upper[outside], return_counts=True)
        a, above = np.cumsum(np.append(0, lows)), np.cumsum(np.append(0, highs[::-1]))[::-1]
        failures, most = evidence.bounds.failures, min(len(inside), len(outside))

        def kept(rho: float) -> int:
            # The worst t is 0 or one of the l_i: between two of them A stands still and B does not rise.
            t = np.append(0.0, evidence.shift.lower(low, rho))
            # Shifting keeps the order, but for rounding.
            b = above[np.searchsorted(np.maximum.accumulate(evidence.shift.upper(high, rho)), t)]
            lost = np.minimum(np.minimum(a, b) + failures, (a + b + failures) // 2)
            return size - min(most, int(lost.max()))

        return np.array([kept(float(rho)) for rho in radii], dtype=np.int64)

    def sentence(self, evidence: Evidence, size: int, rho: float, count: int) -> str:
        return (
            f"{promise(evidence)}, {share(evidence, size, count)} stay among the {size} most "
            f"salient of {other_map(evidence)} under {scope(evidence, rho)}."
        )
