"""Manipulation towards a chosen map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field, field_validator
from torch.nn import functional

from worker.contract.spec import Frozen
from worker.core.attacks.ascent import ascend
from worker.core.attacks.base import Attack
from worker.core.attacks.params import Climbing
from worker.core.attacks.search import Search
from worker.core.attributions.base import Images
from worker.core.distances.base import Maps, Rows

Line = Annotated[tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...], Field(min_length=1, max_length=64)]


class Params(Climbing):
    """target: the wanted map, rows of numbers in [0,1], at most 64 x 64; it is enlarged or reduced to the map's grid.
    stride: the length of a step, as a share of the radius."""

    target: Annotated[tuple[Line, ...], Field(min_length=1, max_length=64)]
    stride: float = Field(gt=0.0, le=2.0, default=0.25)

    @field_validator("target")
    @classmethod
    def _a_map(cls, target: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if len({len(line) for line in target}) > 1 or max(map(max, target)) == 0.0:
            raise ValueError("give rows of one length, with one number above 0 at least")
        return target


class Manipulation(Attack):
    """Steps that bring the map, divided by its sum, nearer in squares to a chosen one, divided by its own.

    In the paper a penalty holds the model's outputs in place and nothing bounds the move; here the ball does, and steps
    that would change the class are halved. The judge still measures how far the real map went from the image's own:
    how near to the target it came, the maps of the result tell.
    """

    name: ClassVar[str] = "manipulation"
    summary: ClassVar[str] = "Steps towards a chosen map, inside the ball"
    source: ClassVar[str] = "Dombrowski et al. 2019, section 2.1, equation 3"
    Params: ClassVar[type[Frozen]] = Params

    def run(self, search: Search) -> Iterator[Images]:
        picture = torch.tensor(self.params.target, dtype=torch.float64, device=search.images.device)[None, None]
        grid = (search.reference.shape[2], search.reference.shape[3])
        target = _shares(functional.interpolate(picture, grid, mode="bilinear", antialias=True).clamp(min=0.0))

        def nearness(maps: Maps) -> Rows:
            return -(_shares(maps.abs().sum(dim=1, keepdim=True)) - target).square().sum(dim=(1, 2, 3))

        start = torch.lerp(search.images, search.surface(), 0.1)
        return ascend(search, nearness, start, self.params.steps, self.params.stride * search.ball.radius)


def _shares(maps: Maps) -> Maps:
    """Each map over its sum; a map of zeros stays one."""
    total = maps.sum(dim=(1, 2, 3), keepdim=True)
    return maps / torch.where(total > 0, total, 1.0)
