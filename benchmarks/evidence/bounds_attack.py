"""The damage that an attack finds: ascent on the l2 distance of attributions, within an l2 or l-infinity ball."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.evidence.attack import on_sphere
from worker.contract.spec import Method
from worker.core.attacks.derivatives import derivative
from worker.core.attributions import ATTRIBUTIONS
from worker.core.first_order.differential import Differential


class Found(NamedTuple):
    """For each start the furthest map that was met: as it was, and among moves that leave the label as it is."""

    moves: Tensor
    kept: Tensor


@dataclass(frozen=True)
class Ascent:
    """PGD with `steps` steps on ||g(x + d) - g(x)||_2, with steps that shrink from half the radius.

    A move keeps the label if the class stays that of the image; a start that met none gives the move zero there. Pixels
    may leave [0,1], as in the bound. It searches; what a move does is judged elsewhere.
    """

    near: Differential
    steps: int

    def __call__(self, norm: str, radius: float, worst: Tensor, random: Tensor) -> Found:
        """From `worst`, the bound's own worst direction [channels, height, width], from its opposite, and from `random`
        directions, a row each."""
        starts = torch.cat([worst[None], -worst[None], random])
        moves = _on_edge(starts, norm, radius)
        best, kept = torch.zeros_like(moves), torch.zeros_like(moves)
        furthest = torch.zeros(len(moves))
        furthest_kept = torch.zeros(len(moves))
        for step in range(self.steps + 1):
            moves.requires_grad_()
            images = self.near.image + moves
            distance = (self._attribution(images) - self.near.values).flatten(1).norm(dim=1)
            (slope,) = torch.autograd.grad(distance.sum(), moves)
            moves, distance = moves.detach(), distance.detach()
            same = self._labels(images.detach()) == self.near.target
            best, furthest = _better(moves, distance, best, furthest, torch.ones_like(same))
            kept, furthest_kept = _better(moves, distance, kept, furthest_kept, same)
            along = slope.sign() if norm == "linf" else on_sphere(slope, torch.ones(len(slope)))
            moves = _inside(moves + radius * 0.5 * 0.9**step * along, norm, radius)
        return Found(best, kept)

    def _attribution(self, images: Tensor) -> Tensor:
        """g as `near` has it, here differentiable with respect to `images`."""
        near = self.near
        steps = {"steps": len(near.shares)} if near.kind == "integrated_gradients" else {}
        method = ATTRIBUTIONS.build(Method.model_validate({"name": near.kind, **steps}), "")
        return derivative(method)(near.model, images, torch.full((len(images),), near.target))

    def _labels(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            labels: Tensor = self.near.model(images).argmax(dim=1)
        return labels


def _better(moves: Tensor, distance: Tensor, best: Tensor, furthest: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    further = allowed & (distance > furthest)
    return torch.where(further.reshape(-1, 1, 1, 1), moves, best), torch.where(further, distance, furthest)


def _on_edge(directions: Tensor, norm: str, radius: float) -> Tensor:
    if norm == "linf":
        return radius * directions.sign()
    return on_sphere(directions, torch.full((len(directions),), radius))


def _inside(moves: Tensor, norm: str, radius: float) -> Tensor:
    if norm == "linf":
        return moves.clamp(-radius, radius)
    outside = moves.flatten(1).norm(dim=1) > radius
    return torch.where(outside.reshape(-1, 1, 1, 1), _on_edge(moves, norm, radius), moves)
