"""What every certificate offers: values at radii, and sentences that say exactly what was proven."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, cast, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import Field

from worker.contract.result import AtRadius, Certificate, Guarantee, IntervalUsed
from worker.contract.spec import Frozen
from worker.core.certificates.evidence import Evidence
from worker.core.registry import Entry

Radius = Annotated[float, Field(gt=0.0, le=1000.0)]


class TopK(Frozen):
    """k: the share of the cells that make the top-K set. radii: l2, in [0,1] pixel units."""

    k: float = Field(gt=0.0, lt=1.0, default=0.2)
    radii: tuple[Radius, ...] = Field(min_length=1, max_length=64, default=(0.01, 0.03, 0.1))


class Certifier(Entry):
    """A certificate over a top-K set: a number of its members, at each radius.

    The base words the result and decides outcomes; a certificate only computes.
    """

    Params: ClassVar[type[Frozen]] = TopK

    @final
    def __call__(self, evidence: Evidence) -> Certificate:
        """The certificate at the asked radii, in their order."""
        size = evidence.size(self.params.k, "/spec/certificates")
        radii = [float(rho) for rho in self.params.radii]
        certified = self.certified(evidence, size, np.array(radii))
        at = [self._at(evidence, size, rho, int(count)) for rho, count in zip(radii, certified, strict=True)]
        best = max(at, key=lambda entry: (entry.certified > 0, entry.rho)) if any(e.certified for e in at) else None
        return Certificate(
            name=self.name,
            guarantee=cast(Guarantee, self.guarantee),
            source=self.source,
            params=self.params.model_dump(),
            outcome="certified" if best else "vacuous",
            statement=(best or at[0]).text,
            radii=at,
            alpha_spent=evidence.bounds.alpha,
            interval=self.interval(evidence),
        )

    def _at(self, evidence: Evidence, size: int, rho: float, count: int) -> AtRadius:
        text = self.sentence(evidence, size, rho, count) if count else self.nothing(evidence, size, rho)
        outcome = "certified" if count else "vacuous"
        return AtRadius(rho=rho, value=count / size, certified=count, k=size, outcome=outcome, text=text)

    def interval(self, evidence: Evidence) -> IntervalUsed:
        bounds = evidence.bounds
        return IntervalUsed(
            name=evidence.interval, allowed_failures=bounds.failures, side_error=bounds.side, cells=evidence.cells
        )

    def nothing(self, evidence: Evidence, size: int, rho: float) -> str:
        return (
            f"Nothing is certified within the l2 radius {rho:g}: none of the {size} most salient {evidence.noun} for "
            f"{evidence.subject} can be proven to stay. Use a smaller radius, more samples or more noise."
        )

    @abstractmethod
    def certified(self, evidence: Evidence, size: int, radii: Float[ndarray, " radii"]) -> Int[ndarray, " radii"]:
        """How many of the `size` cells are certified at each radius."""

    @abstractmethod
    def sentence(self, evidence: Evidence, size: int, rho: float, count: int) -> str:
        """What is proven when `count` > 0 cells are certified within rho, for a clinician to read."""


def share(evidence: Evidence, size: int, count: int) -> str:
    """How many of which cells, for which class."""
    percent = f"{100 * count / size:.0f} %"
    return f"at least {count} of the {size} most salient {evidence.noun} ({percent}) shown for {evidence.subject}"


def promise(evidence: Evidence) -> str:
    """The opening every probabilistic sentence shares."""
    return f"With {100 * evidence.confidence:g} % confidence over the random sampling"


def scope(rho: float) -> str:
    """The perturbations every sentence speaks of."""
    return f"every change of the image of l2 norm at most {rho:g} (pixel values in [0,1])"
