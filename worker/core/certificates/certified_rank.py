"""Certified ranks: cells of the top-K set that stay among the first `factor * K`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import Field

from worker.contract.errors import InvalidSpec
from worker.contract.spec import Frozen
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.pixel_status import salient_radius
from worker.core.certificates.topk import TopK, TopKCertifier, share
from worker.core.certificates.words import other_map, promise, scope
from worker.core.registry import Guarantee


class Params(TopK):
    """factor: a cell of the top-K set counts while its certified rank is at most factor * K."""

    factor: float = Field(default=2.0, ge=1.0, le=1e6)


class CertifiedRank(TopKCertifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, at least this many of the K most
    salient cells of the observed map rank among the first floor(factor * K) of the population map at x + d, whatever
    breaks ties.

    A cell's certified rank is 1 + #{others whose shifted upper bound reaches its shifted lower bound}; counted are the
    cells where it is at most R = floor(factor * K). Without failures these are the same cells at every x + d. With f
    allowed failures a wrong interval may push many ranks by one, yet at any one x + d the map differs in at most f
    cells from one inside the box, and a change of one cell changes the top-R set by at most one member: so at least
    the counted cells less f are in it.

    Compared with the observed map of a fresh run under `compare: observed`; see rerun.py.
    Raises: InvalidSpec where R leaves no cell out. Source: Levine et al. 2019, Definition 3.1, over our intervals.
    """

    name: ClassVar[str] = "certified_rank"
    summary: ClassVar[str] = "At least this many of the K most salient cells stay among the factor * K most salient"
    source: ClassVar[str] = "Levine et al. 2019, Definition 3.1, over simultaneous intervals"
    guarantee: ClassVar[Guarantee] = "probabilistic"
    Params: ClassVar[type[Frozen]] = Params

    def check(self, evidence: Evidence, pointer: str) -> None:
        super().check(evidence, pointer)
        if self._rank(evidence.size(self.params.k, f"{pointer}/k")) >= evidence.cells:
            raise InvalidSpec(
                f"The first factor * K cells are all {evidence.cells} of them; choose a smaller factor or k.",
                pointer=f"{pointer}/factor",
            )

    def certified(self, evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> Int[ndarray, " radii"]:
        # A rank is at most R exactly if fewer than R others reach the cell: if it is in every top-R set.
        reach = salient_radius(evidence, self._rank(size))[evidence.order[:size]]
        counts = np.array([int((reach > rho).sum()) for rho in radii], dtype=np.int64)
        return np.maximum(counts - evidence.bounds.failures, 0)

    def _rank(self, size: int) -> int:
        # A product such as 1.1 * 10 may lie a rounding error below the whole number that is meant.
        return int(np.floor(self.params.factor * size + 1e-9))

    def sentence(self, evidence: Evidence, size: int, rho: float, count: int) -> str:
        return (
            f"{promise(evidence)}, {share(evidence, size, count)} stay among the {self._rank(size)} most salient of "
            f"{other_map(evidence)} under {scope(evidence, rho)}."
        )
