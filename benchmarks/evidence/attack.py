"""Attacks on smoothed maps: how to move inside an l2 ball, and for what. They search; they never grade themselves."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.core.granularities.base import Granularity
from worker.core.maps.relaxed import Relaxed
from worker.core.sampler import Sampler
from worker.core.statistics.counts import Counts

# What moves [rows, channels, height, width] are worth, row by row, on the noise of this step.
Objective = Callable[[Tensor, int], Tensor]
HALVINGS = 2


@dataclass(frozen=True)
class Weighted:
    """The cells of the relaxed smoothed map, summed with `weights` [rows, cells]; a mean over `noise` of the step,
    [samples, channels, height, width], the same for all rows.

    With weights of -1 on the observed top-K set this is D of Levine et al. 2019, Algorithm 1. The map is the relaxed
    one, since the sparsified one has no derivative; the model must have second derivatives (see `softened`).
    """

    model: nn.Module
    image: Tensor
    target: int
    granularity: Granularity
    map: Relaxed
    weights: Tensor
    noise: Callable[[int], Tensor]

    def __call__(self, moves: Tensor, step: int) -> Tensor:
        noisy = self.image + moves[:, None] + self.noise(step)
        cells = self.granularity(sensitivity(self.model, noisy.flatten(0, 1), self.target))
        shown = self.map.run(cells).reshape(*noisy.shape[:2], -1).mean(dim=1)
        worth: Tensor = (shown * self.weights).sum(dim=1)
        return worth


def sensitivity(model: nn.Module, images: Tensor, target: int) -> Tensor:
    """The gradient of the target's logit at each image, itself differentiable where `images` are."""
    follow = images.requires_grad
    images = images if follow else images.requires_grad_()
    (values,) = torch.autograd.grad(model(images)[:, target].sum(), images, create_graph=follow)
    return values


def softened(model: nn.Module, beta: float) -> nn.Module:
    """A copy with softplus(beta) in place of every ReLU module, whose own second derivative is zero."""
    copy = deepcopy(model)
    for parent in list(copy.modules()):
        for name, part in parent.named_children():
            if isinstance(part, nn.ReLU):
                setattr(parent, name, nn.Softplus(beta))
    return copy


def maximise(objective: Objective, start: Tensor, rho: Tensor, steps: int, momentum: float = 0.9) -> Tensor:
    """Moves of norm at most `rho` [rows], from `start`, by projected gradient ascent with momentum; no row influences
    another.

    Step p is rho / p long (Levine et al. 2019, Algorithm 1) and is halved, row by row, while it does not raise the
    objective on the same noise; a row which that does not help stays where it is. Unlike there, neither the predicted
    class nor the range of the pixel values bounds the search: a certificate is for one class, and for every move in the
    ball.
    """
    moves, velocity = start, torch.zeros_like(start)
    for step in range(steps):
        moves = moves.detach().requires_grad_()
        value = objective(moves, step)
        (gradient,) = torch.autograd.grad(value.sum(), moves)
        velocity = momentum * velocity + on_sphere(gradient, torch.ones_like(rho))
        moves, value = moves.detach(), value.detach()
        waiting = torch.ones_like(rho, dtype=torch.bool)
        for halving in range(HALVINGS + 1):
            tried = _inside(moves + on_sphere(velocity, rho / (step + 1) / 2**halving), rho)
            better = waiting & (objective(tried, step).detach() > value)
            moves = torch.where(_per_row(better, moves), tried, moves)
            waiting &= ~better
            if not bool(waiting.any()):
                break
    return moves


def look(sampler: Sampler) -> tuple[Counts, Tensor]:
    """All samples: their counts, and the votes [samples, cells] one by one."""
    counts, votes = sampler.empty(), []
    for block in range(sampler.blocks):
        attributed = sampler.attributed(block)
        counts = sampler.count(counts, block, attributed)
        votes.append(sampler.map(sampler.reduced(attributed)[0]).votes)
    return counts, torch.cat(votes)[: sampler.samples]


def slope(sampler: Sampler, votes: Tensor, weights: Tensor) -> Tensor:
    """The direction in which the smoothed map's cells, summed with `weights`, rise fastest at the sampler's image.

    The gradient of E f(x + e) is E f(x + e) e / sigma^2 (Stein's identity): so the votes [samples, cells] sampled there
    give it for the network and the map as they are, without softplus, second derivatives or further passes.
    """
    worth = votes.float() @ weights
    rows = torch.split(worth - worth.mean(), sampler.batch)
    shape = (sampler.batch, *sampler.image.shape)
    total = torch.zeros_like(sampler.image)
    for block, part in enumerate(rows):
        noise = sampler.noise.draw(sampler.seed, block, shape, sampler.lane)
        total += torch.tensordot(part, noise[: len(part)], dims=1)
    return total


def on_sphere(directions: Tensor, rho: Tensor) -> Tensor:
    """Each row scaled to the norm of its radius."""
    return directions * _per_row(rho / directions.flatten(1).norm(dim=1).clamp(min=1e-12), directions)


def _inside(moves: Tensor, rho: Tensor) -> Tensor:
    """The nearest point of each row's ball."""
    outside = moves.flatten(1).norm(dim=1) > rho
    return torch.where(_per_row(outside, moves), on_sphere(moves, rho), moves)


def _per_row(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))
