"""Projected gradient ascent on the distance itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from worker.contract.spec import Frozen
from worker.core.attacks.ascent import ascend
from worker.core.attacks.base import Attack
from worker.core.attacks.params import Climbing
from worker.core.attacks.search import Search
from worker.core.attributions.base import Images


class Params(Climbing):
    """stride: the length of a step, as a share of the radius."""

    stride: float = Field(gt=0.0, le=2.0, default=0.25)


class Pgd(Attack):
    """Steps of fixed length along the gradient (l2) or its signs (l-infinity) of the distance between the image's map
    and the stand-in's at the moved image, from a random start on the surface of the ball.

    Distances of ranks and sets have no gradient; their own stand-ins are climbed (`Distance.ascent`).
    """

    name: ClassVar[str] = "pgd"
    summary: ClassVar[str] = "Projected gradient ascent on the distance of the maps, from random starts"
    source: ClassVar[str] = "Madry et al. 2018; on attributions, Wang & Kong 2023, section 5"
    Params: ClassVar[type[Frozen]] = Params

    def run(self, search: Search) -> Iterator[Images]:
        return ascend(
            search,
            lambda maps: search.distance.ascent(search.reference, maps),
            search.surface(),
            self.params.steps,
            self.params.stride * search.ball.radius,
        )
