"""What every certificate offers: values at radii, and sentences that say exactly what was proven."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, cast, final

from jaxtyping import Bool, Float, Int
from numpy import ndarray
from pydantic import Field
from torch import Tensor

from worker.contract.errors import InvalidSpec
from worker.contract.result import AtRadius, Certificate, Guarantee, IntervalUsed, Outcome
from worker.contract.spec import Frozen
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.words import nothing
from worker.core.granularities.base import Layout
from worker.core.registry import Entry

Radius = Annotated[float, Field(gt=0.0, le=1000.0)]
# The largest radius for a wanted value is found to this relative accuracy, from below.
BISECTION = 1e-6


class Radii(Frozen):
    """radii: l2, in [0,1] pixel units. wanted: also report the largest radius at which the value is at least this."""

    radii: tuple[Radius, ...] = Field(min_length=1, max_length=64, default=(0.01, 0.03, 0.1))
    wanted: float | None = Field(default=None, gt=0.0, le=1.0)


@dataclass(frozen=True)
class Claim:
    """What holds within one radius. `text` is the sentence; where nothing is proven the base says so instead.

    Of a method without a proof `proven` says nothing: its sentence is always shown, and its outcome is "unproven".
    """

    value: float
    proven: bool
    text: str
    certified: int | None = None
    k: int | None = None


class Certifier(Entry):
    """A certificate: at each radius a number that no perturbation within it can undercut.

    The base words the result, decides outcomes and answers the dual question; a certificate only computes.
    """

    Params: ClassVar[type[Frozen]] = Radii
    # Whether it spends a share of alpha of its own, instead of resting on the intervals of the cells.
    own_alpha: ClassVar[bool] = False
    # Whether it counts something of its own over the samples (see `tally`); evidence.tallies["own"] is then the sum.
    counts: ClassVar[bool] = False

    def check(self, evidence: Evidence, pointer: str) -> None:
        """Refuse parameters that make no sense for these cells, before any sampling. Raises a SpecError."""

    def tally(
        self,
        votes: Int[Tensor, "rows cells"] | Bool[Tensor, "rows cells"],
        logits: Float[Tensor, "rows classes"],
        layout: Layout,
    ) -> Int[ndarray, "..."]:
        """What to count over the rows of a block besides votes: an integer array of one shape. Only if `counts`."""
        raise TypeError(f"{self.name} counts nothing of its own")

    @abstractmethod
    def claim(self, evidence: Evidence, rho: float) -> Claim:
        """What is proven within rho. The value must not rise with rho."""

    @final
    def __call__(self, evidence: Evidence) -> Certificate:
        """The certificate at the asked radii, in their order."""
        at = [self._at(evidence, float(rho)) for rho in self.params.radii]
        said = [entry for entry in at if entry.outcome != "vacuous"]
        best = max(said, key=lambda entry: entry.rho, default=at[0])
        wanted = self.params.wanted
        return Certificate(
            name=self.name,
            guarantee=cast(Guarantee, self.guarantee),
            source=self.source,
            params=self.params.model_dump(mode="json"),
            outcome=best.outcome,
            statement=best.text,
            radii=at,
            largest_radius=None if wanted is None else self.largest_radius(evidence, wanted),
            alpha_spent=self._alpha_spent(evidence),
            interval=self.interval(evidence),
        )

    def _at(self, evidence: Evidence, rho: float) -> AtRadius:
        claim = self.claim(evidence, rho)
        outcome: Outcome = "certified" if claim.proven else "vacuous"
        if self.guarantee != "probabilistic":
            outcome = "unproven"
        text = nothing(evidence, rho) if outcome == "vacuous" else claim.text
        return AtRadius(rho=rho, value=claim.value, certified=claim.certified, k=claim.k, outcome=outcome, text=text)

    def _alpha_spent(self, evidence: Evidence) -> float:
        if self.guarantee != "probabilistic":
            return 0.0
        at_image = evidence.share if self.own_alpha else evidence.bounds.alpha
        return 2 * at_image if evidence.rerun else at_image

    def largest_radius(self, evidence: Evidence, wanted: float) -> float:
        """The largest radius, rounded down, at which the value is at least `wanted`; 0 where it is less than 1e-6."""
        low, high = 0.0, 1e-6
        while self.claim(evidence, high).value >= wanted:
            low, high = high, 2 * high
            if high > 1000.0:
                return low
        if low == 0.0:
            return low
        while high - low > BISECTION * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self.claim(evidence, middle).value >= wanted else (low, middle)
        return low

    def interval(self, evidence: Evidence) -> IntervalUsed:
        """The interval event the certificate rests on."""
        bounds = evidence.bounds
        return IntervalUsed(
            name=evidence.interval, allowed_failures=bounds.failures, side_error=bounds.side, cells=evidence.cells
        )


def require_map(evidence: Evidence, name: str, certificate: str) -> None:
    """Raise InvalidSpec unless the votes are those of the map of this name."""
    if evidence.map != name:
        raise InvalidSpec(
            f"{certificate} holds for the map {name}, not for {evidence.map}; change the map or the certificate.",
            pointer="/spec/map/name",
        )


def require_population(evidence: Evidence, certificate: str) -> None:
    """Raise InvalidSpec if the map of a fresh run is to be compared."""
    if evidence.rerun:
        raise InvalidSpec(
            f"{certificate} speaks of the smoothed map only; leave out the certificate, or set compare to population.",
            pointer="/spec/compare",
        )
