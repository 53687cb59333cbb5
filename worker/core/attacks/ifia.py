"""The iterative feature importance attack of Ghorbani et al."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, model_validator

from worker.contract.errors import InvalidSpec
from worker.contract.spec import Frozen
from worker.core.attacks.ascent import ascend
from worker.core.attacks.ball import Norm
from worker.core.attacks.base import Attack
from worker.core.attacks.params import Climbing
from worker.core.attacks.search import Objective, Search
from worker.core.attributions.base import Images
from worker.core.distances.base import Maps, Rows
from worker.core.distances.mass_centre import MassCentre
from worker.core.distances.topk_overlap import Params as TopK
from worker.core.distances.topk_overlap import TopKOverlap, mass

Edge = Annotated[int, Field(ge=0, strict=True)]


class Params(Climbing):
    """objective: "topk" lowers the share of the map in the image's k largest cells; "mass_centre" moves its centre of
    mass; "target_region" raises its share in `region` (top, left, bottom, right: cells, the last two not included).
    stride: the length of a step, as a share of the radius."""

    objective: Literal["topk", "mass_centre", "target_region"] = "topk"
    k: float = Field(gt=0.0, lt=1.0, default=0.2)
    region: tuple[Edge, Edge, Edge, Edge] | None = None
    stride: float = Field(gt=0.0, le=2.0, default=0.25)

    @model_validator(mode="after")
    def _region_where_wanted(self) -> Params:
        if (self.objective == "target_region") != (self.region is not None):
            raise ValueError("give a region for the objective target_region, and for no other")
        return self


class Ifia(Attack):
    """Sign steps within an l-infinity ball that change where the map is, while the class stays.

    The maps are divided by their sum, as in the authors' objective. The first search of each image starts at the image
    itself, as printed; further ones, and those that move the centre, at random corners. Without smoothing this is the
    published attack, up to its rule for the class: there, changed classes are left out at the end; here, such steps are
    halved.
    """

    name: ClassVar[str] = "ifia"
    summary: ClassVar[str] = "Sign steps that move the map out of its top cells, its centre, or into a region"
    source: ClassVar[str] = "Ghorbani et al. 2019, algorithm 1"
    Params: ClassVar[type[Frozen]] = Params
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)

    def run(self, search: Search) -> Iterator[Images]:
        # The shift of the centre has no slope at the image itself.
        still = 0 if self.params.objective == "mass_centre" else len(search.images) // self.params.restarts
        start = torch.cat([search.images[:still], search.surface()[still:]])
        stride = self.params.stride * search.ball.radius
        return ascend(search, self._objective(search.reference), start, self.params.steps, stride)

    def _objective(self, reference: Maps) -> Objective:
        if self.params.objective == "topk":
            overlap = TopKOverlap(TopK(k=self.params.k))
            return lambda maps: overlap.ascent(reference, maps)
        if self.params.objective == "mass_centre":
            shift = MassCentre(MassCentre.Params())
            return lambda maps: shift.ascent(reference, maps)
        return self._inside(reference)

    def _inside(self, reference: Maps) -> Objective:
        """Raises InvalidSpec if the region has no cell of the map."""
        top, left, bottom, right = self.params.region
        region = torch.zeros_like(reference, dtype=torch.bool)
        region[:, :, top:bottom, left:right] = True
        if not bool(region.any()) or bottom > region.shape[2] or right > region.shape[3]:
            raise InvalidSpec(
                f"The region must lie inside the map of {region.shape[2]} x {region.shape[3]} cells and hold one."
            )

        def share(maps: Maps) -> Rows:
            return mass(maps, region)

        return share
