"""The class itself: certified prediction from the same noisy images."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from pydantic import Field
from torch import Tensor

from worker.contract.errors import InvalidSpec
from worker.contract.result import IntervalUsed
from worker.contract.spec import Frozen
from worker.core.bounds.base import Params as Exact
from worker.core.bounds.clopper_pearson import ClopperPearson
from worker.core.certificates.base import Certifier, Claim, Radii
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.words import compared, promise, scope
from worker.core.granularities.base import Layout
from worker.core.registry import Guarantee

BINOMIAL = ClopperPearson(Exact())


class Params(Radii):
    """wanted: 1, so that the certified radius itself is always reported."""

    wanted: float | None = Field(default=1.0, gt=0.0, le=1.0)


class Prediction(Certifier):
    """With probability at least 1 - alpha over the sampling, for every ||d||_2 <= rho, the model gives the explained
    class to more than half of all noisy images around x + d, so that the smoothed classifier answers with it; the value
    is 1 where that is so and 0 where it is not known.

    The class is fixed before sampling (that of the clean image, or a given one), so nothing is paid for its choice. A
    one-sided Clopper-Pearson bound p on its share of the votes, at a share of alpha of its own, gives the radius up to
    which p stays above 1/2: sigma * Phi^-1(p) for Gaussian noise. Noisy images with a logit that is not finite vote for
    no class. It is about the smoothed classifier, not about the model's answer to the image without noise. Under
    `compare: observed` it is more than half of the noisy images of a fresh run at x + d; see rerun.py.

    Raises: InvalidSpec for per-sample targets. Source: Cohen et al. 2019, Theorem 1 and section 3.2.2 (Certify).
    """

    name: ClassVar[str] = "prediction"
    summary: ClassVar[str] = "The class that most noisy images get stays the explained one; its certified radius"
    source: ClassVar[str] = "Cohen et al. 2019, Theorem 1"
    guarantee: ClassVar[Guarantee] = "probabilistic"
    Params: ClassVar[type[Frozen]] = Params
    own_alpha: ClassVar[bool] = True
    counts: ClassVar[bool] = True

    def check(self, evidence: Evidence, pointer: str) -> None:
        if evidence.target is None:
            raise InvalidSpec(
                "The certificate prediction needs one fixed class; with the target per-sample there is none.",
                pointer="/spec/target",
            )

    def tally(
        self,
        votes: Int[Tensor, "rows cells"] | Bool[Tensor, "rows cells"],
        logits: Float[Tensor, "rows classes"],
        layout: Layout,
    ) -> Int[ndarray, "..."]:
        """How many rows each class has the greatest logit in; the first among equals."""
        finite = torch.isfinite(logits).all(dim=1)
        winners = logits[finite].argmax(dim=1).cpu().numpy()
        return np.bincount(winners, minlength=logits.shape[1]).astype(np.int64)

    def claim(self, evidence: Evidence, rho: float) -> Claim:
        stays = certified_radius(evidence) > rho
        text = (
            f"{promise(evidence)}, {evidence.subject} stays the class that the model gives to more than half of "
            f"{compared(evidence, 'all noisy images', 'the noisy images')} under {scope(evidence, rho)}."
        )
        return Claim(float(stays), stays, text)

    def interval(self, evidence: Evidence) -> IntervalUsed:
        return IntervalUsed(name="clopper_pearson", allowed_failures=0, side_error=evidence.share, cells=1)


def certified_radius(evidence: Evidence) -> float:
    """The radius below which the class keeps more than half of the votes; zero or less where that is not certified."""
    won = 0 if evidence.target is None else int(evidence.tallies["own"][evidence.target])
    # Two-sided at twice the share is one-sided at the share.
    bounds = BINOMIAL(np.array([won]), evidence.samples, 1, 2 * evidence.share)
    return float(evidence.own_shift(BINOMIAL, 1).separation(bounds.lower, 1.0 - bounds.lower)[0])
