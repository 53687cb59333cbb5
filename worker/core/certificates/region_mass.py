"""Certified localisation: the share of the most salient cells that stays inside a region fixed beforehand."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from worker.contract.result import IntervalUsed
from worker.contract.spec import Frozen
from worker.core.bounds.base import Params as Exact
from worker.core.bounds.betting import lower_mean
from worker.core.bounds.kl import KL
from worker.core.certificates.base import Certifier, Claim, Radii, require_map
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.region import Region, cells_inside
from worker.core.certificates.words import compared, promise, scope
from worker.core.granularities.base import Layout
from worker.core.maps.base import RESOLUTION
from worker.core.registry import Guarantee

CHERNOFF = KL(Exact())


class Params(Radii):
    """region: a box, polygon or mask in pixels of the model's input."""

    region: Region


class RegionMass(Certifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, the population mean at x + d of
    s = |marked cells inside the region| / ceil(tau m) is at least this value: on average over the noise, at least this
    share of the ceil(tau m) most salient cells of a noisy image lies inside.

    s is one number in [0,1] per sample: one interval and one shift, no union over cells, so that a few hundred samples
    do at any image size. A sample without a ranking counts as s = 0. The region is fixed before sampling. Spends a
    share of alpha of its own. Counted: how many samples have each number of marked cells inside. Under
    `compare: observed` it is the mean over the noisy images of a fresh run at x + d, by Chernoff's bound; see rerun.py.

    Raises: InvalidSpec for maps other than the sparsified one and for regions that do not fit the image. Source:
    certificates.md section 5; Levine et al. 2019, Lemma 1, for the shift.
    """

    name: ClassVar[str] = "region_mass"
    summary: ClassVar[str] = "At least this share of the most salient cells stays inside a given region, on average"
    source: ClassVar[str] = "Surety: one betting interval and one shift (Levine et al. 2019, Lemma 1)"
    guarantee: ClassVar[Guarantee] = "probabilistic"
    Params: ClassVar[type[Frozen]] = Params
    own_alpha: ClassVar[bool] = True
    counts: ClassVar[bool] = True

    def check(self, evidence: Evidence, pointer: str) -> None:
        require_map(evidence, "sparsified", self.name)
        cells_inside(self.params.region, evidence.layout, f"{pointer}/region")

    def tally(
        self,
        votes: Int[Tensor, "rows cells"] | Bool[Tensor, "rows cells"],
        logits: Float[Tensor, "rows classes"],
        layout: Layout,
    ) -> Int[ndarray, "..."]:
        """How many rows have 0, 1, ... votes inside; rows without any vote are left out."""
        ones = votes.bool().cpu().numpy()
        inside = cells_inside(self.params.region, layout)
        numbers = ones[:, inside].sum(axis=1)[ones.any(axis=1)]
        return np.bincount(numbers, minlength=int(inside.sum()) + 1).astype(np.int64)

    def claim(self, evidence: Evidence, rho: float) -> Claim:
        low = mean_share(evidence)
        # A mean share is no whole number of votes: told apart as finely as real-valued maps are.
        value = float(evidence.own_shift(CHERNOFF, RESOLUTION).lower(np.array(low), rho)) if low > 0 else 0.0
        text = (
            f"{promise(evidence)}, on average over {compared(evidence, 'the noise', 'the noisy images')} at least "
            f"{np.floor(1000 * value) / 10:.1f} % of the most salient {evidence.noun} shown for {evidence.subject} lie "
            f"inside the region under {scope(evidence, rho)}."
        )
        return Claim(value, value > 0, text)

    def interval(self, evidence: Evidence) -> IntervalUsed:
        return IntervalUsed(name="betting", allowed_failures=0, side_error=evidence.share, cells=1)


def mean_share(evidence: Evidence) -> float:
    """A lower confidence bound, at the certificate's share of alpha, for the mean share of marked cells inside at x."""
    histogram = evidence.tallies["own"]
    ranked = int(histogram.sum())
    if ranked == 0:
        return 0.0
    # Every sample with a ranking has the same number of votes, so that their total tells it.
    marked = int(evidence.votes.sum()) // ranked
    counts = histogram[: marked + 1].copy()
    counts[0] += evidence.samples - ranked
    return lower_mean(np.arange(len(counts)) / marked, counts, evidence.share)
