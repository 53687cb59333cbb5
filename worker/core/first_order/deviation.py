"""The first-order bound of an attribution, as one method with its parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from worker.contract.errors import InvalidSpec
from worker.contract.spec import Frozen
from worker.core.certificates.base import Radius
from worker.core.first_order.absolute_sum import absolute_sum, jacobian
from worker.core.first_order.bound import FURTHEST, Bound, adaptive_factor, degrees, relaxed
from worker.core.first_order.differential import Differential, Kind
from worker.core.first_order.label import label_kept
from worker.core.first_order.smooth import Smooth
from worker.core.first_order.steepest import Steepest, steepest
from worker.core.registry import Entry, Guarantee


class Params(Frozen):
    """radii: lengths of the move in `norm` (p, or "inf"), in [0,1] pixel units. beta: of the softplus for each ReLU.

    method: "spectral" from the largest singular value; "absolute_sum" for norm "inf", up to 4,096 elements.
    steps, baseline: of integrated gradients. wanted: also report the largest radius for this l2 distance;
    wanted_cosine: likewise for this cosine distance.
    """

    attribution: Kind = "gradient"
    steps: int = Field(default=16, ge=1, le=256, strict=True)
    baseline: float = Field(default=0.0, ge=0.0, le=1.0)
    norm: Literal["inf"] | Annotated[float, Field(ge=1.0, le=1000.0)] = 2.0
    method: Literal["spectral", "absolute_sum"] = "spectral"
    radii: tuple[Radius, ...] = Field(min_length=1, max_length=64, default=(0.01, 0.03, 0.1))
    beta: float = Field(default=10.0, gt=0.0, le=1000.0)
    wanted: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    wanted_cosine: float | None = Field(default=None, gt=0.0, lt=1.0)


@dataclass(frozen=True)
class Within:
    """What is bounded for moves of length `radius`: the l2 distance T_e, and T'_e = c T_e for norm 2 (else None).

    `cosine` is the cosine distance of T_e, 2 where it says nothing, and `degrees` its angle. `attained`: whether T_e's
    own worst move keeps the label, to first order; None where the move is not known (other norms).
    """

    radius: float
    distance: float
    adapted: float | None
    cosine: float
    degrees: float
    attained: bool | None
    text: str


@dataclass(frozen=True)
class Deviation:
    """`departure`: how far the softened network's map lies from the real one's, relative to the latter's l2 norm.

    `steepest` holds the singular value with its residual and its price. `largest` and `largest_for_cosine` answer the
    dual questions, None where they were not asked.
    """

    guarantee: Guarantee
    bound: Bound
    steepest: Steepest
    departure: float
    within: tuple[Within, ...]
    largest: float | None
    largest_for_cosine: float | None


class FirstOrder(Entry):
    """Nothing is proven: if the softened network's attribution were linear within the radius, no move would change it
    by more than T_e.

    The bound is on the signed map of one class, element by element, of the network with softplus for ReLU; it is the
    same whether or not the label must stay. T'_e adapts T_e to what its worst move really does. With max pooling the
    map jumps, and moves within the radius often exceed both. Source: Wang and Kong 2023, Theorems 1 and 2, Corollaries
    1 and 2.
    Raises: InvalidSpec (absolute_sum for another norm or too many elements), UnsupportedAttribution, NonFiniteLogits.
    """

    name: ClassVar[str] = "first_order"
    summary: ClassVar[str] = "How far the map could move if it were linear near the image; not a certificate"
    source: ClassVar[str] = "Wang and Kong 2023, Theorems 1 and 2"
    guarantee: ClassVar[Guarantee] = "first_order"
    Params: ClassVar[type[Frozen]] = Params

    def __call__(self, model: nn.Module, image: Float[Tensor, "channels height width"], target: int) -> Deviation:
        norm = math.inf if self.params.norm == "inf" else self.params.norm
        summed = self.params.method == "absolute_sum"
        if summed and norm != math.inf:
            raise InvalidSpec("The absolute sum is for the norm inf; use spectral for others.", pointer="/spec/bounds")
        soft = Smooth(model, self.params.beta)
        differential = self._differential(soft, image, target)
        # The whole Jacobian first: it is refused at once where it would be too large.
        matrix = jacobian(differential) if summed else None
        found = steepest(differential)
        rate = relaxed(found.xi, differential.elements, norm) if matrix is None else absolute_sum(matrix)
        bound = Bound(rate, float(differential.values.norm()))
        kept = label_kept(soft, image, target, found.move) if norm == 2.0 else None
        return Deviation(
            guarantee=self.guarantee,
            bound=bound,
            steepest=found,
            departure=self._departure(differential, model),
            within=tuple(self._within(bound, float(radius), differential, found, kept) for radius in self.params.radii),
            largest=None if self.params.wanted is None else bound.largest(self.params.wanted),
            largest_for_cosine=None
            if self.params.wanted_cosine is None
            else bound.largest_for_cosine(self.params.wanted_cosine),
        )

    def _differential(
        self, model: nn.Module, image: Float[Tensor, "channels height width"], target: int
    ) -> Differential:
        params = self.params
        return Differential(model, image, target, params.attribution, steps=params.steps, baseline=params.baseline)

    def _departure(self, differential: Differential, model: nn.Module) -> float:
        real = self._differential(model, differential.image, differential.target).values
        length = float(real.norm())
        return float((differential.values - real).norm()) / length if length else math.inf

    def _within(
        self, bound: Bound, radius: float, differential: Differential, found: Steepest, kept: float | None
    ) -> Within:
        distance, cosine = bound.distance(radius), bound.cosine(radius)
        turned = "" if cosine == FURTHEST else f" and turn it by at most {degrees(cosine):.3g} degrees"
        text = (
            f"To first order, not proven: a move of norm {self.params.norm} up to {radius:g} would change the map by "
            f"at most {distance:.3g} (l2){turned}."
        )
        factor = None if kept is None else adaptive_factor(differential, found, radius)
        return Within(
            radius=radius,
            distance=distance,
            adapted=None if factor is None else factor * distance,
            cosine=cosine,
            degrees=degrees(cosine),
            attained=None if kept is None else radius <= kept,
            text=text,
        )
