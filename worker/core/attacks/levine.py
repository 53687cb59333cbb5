"""The l2 attack of Levine et al."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Bool
from pydantic import Field
from torch import Tensor

from worker.contract.spec import Frozen
from worker.core.attacks.ball import Norm
from worker.core.attacks.base import Attack
from worker.core.attacks.params import Climbing
from worker.core.attacks.search import Search
from worker.core.attributions.base import Images
from worker.core.distances.topk_overlap import Params as TopK
from worker.core.distances.topk_overlap import TopKOverlap


class Params(Climbing):
    """k: the share of the cells that are to be lost. tries: Q, random starts over all restarts together. The paper's P
    is `steps`, its T `restarts`."""

    k: float = Field(gt=0.0, lt=1.0, default=0.2)
    restarts: int = Field(ge=1, le=64, default=5, strict=True)
    tries: int = Field(ge=1, le=10_000, default=100, strict=True)


class Levine(Attack):
    """Gradient ascent from random points of the l2 sphere against the cells that are in the image's top-K set.

    D(z) is minus the stand-in's cells of that set, summed. The rate is rho / ||grad D|| at the start, then falls like
    1 / p; it is halved while a step would cross the decision boundary, and stays halved. The best point by D of each
    restart is proposed. Unlike the printed algorithm: D is divided by the sum of all cells, so that a map that only
    fades gains nothing; each restart has an equal part of the Q tries; a row that has none left proposes its image;
    halving ends after a few times, at the point itself; pixels are clipped only if the ball asks for it.
    """

    name: ClassVar[str] = "levine"
    summary: ClassVar[str] = "l2 gradient ascent with falling rate against the top-K set, up to the decision boundary"
    source: ClassVar[str] = "Levine et al. 2019, appendix C, algorithm 1"
    Params: ClassVar[type[Frozen]] = Params
    norms: ClassVar[tuple[Norm, ...]] = ("l2",)

    def run(self, search: Search) -> Iterator[Images]:
        overlap = TopKOverlap(TopK(k=self.params.k))
        moved, started = self._start(search)
        best, rate = search.images, torch.zeros(())
        most = torch.full((len(moved),), -torch.inf, dtype=torch.float64, device=moved.device)
        for step in range(self.params.steps + 1):
            value, gradient = search.climb(moved, lambda maps: overlap.ascent(search.reference, maps))
            if step == 0:
                rate = search.ball.radius / search.ball.lengths(gradient).clamp(min=1e-30)
            else:
                better = started & (value > most)
                best = torch.where(better[:, None, None, None], moved, best)
                most = torch.where(better, value, most)
                rate = rate * step / (step + 1)
            move = rate.to(moved.dtype)[:, None, None, None] * gradient
            moved, share = search.step(moved, move)
            rate = rate * torch.where(share > 0, share, 1.0)
        yield best

    def _start(self, search: Search) -> tuple[Images, Bool[Tensor, " rows"]]:
        """A random point of the sphere for each row where the class stays, and which rows have one."""
        moved, waiting = search.images, torch.ones(len(search.images), dtype=torch.bool, device=search.images.device)
        for _ in range(math.ceil(self.params.tries / self.params.restarts)):
            there = search.surface()
            found = waiting & ~search.lost(there)
            moved = torch.where(found[:, None, None, None], there, moved)
            waiting &= ~found
            if not bool(waiting.any()):
                break
        return moved, ~waiting
