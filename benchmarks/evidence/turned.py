"""An attack on smoothed unit maps: the move inside an l2 ball that turns them furthest. It never grades itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn

from benchmarks.evidence.attack import maximise, on_sphere, sensitivity, softened
from benchmarks.evidence.cosine_judge import cosine
from benchmarks.evidence.cosine_plans import counted
from worker.core.granularities.base import Granularity
from worker.core.sampler import Sampler

# Random numbers of their own for the ascent and for choosing among the moves.
ATTACK_LANE, CHOICE_LANE = 2, 4
RANDOM_MOVES = 3


@dataclass(frozen=True)
class Turned:
    """One minus the cosine of `observed` [cells] with the mean unit map over the noisy images of a move, row by row.

    `noise` gives the noise of a step, [samples, channels, height, width]; all rows see the same. The map is that of the
    gradient, so the model must have second derivatives where an ascent is to follow.
    """

    model: nn.Module
    image: Tensor
    target: int
    granularity: Granularity
    observed: Tensor
    noise: Callable[[int], Tensor]

    def __call__(self, moves: Tensor, step: int) -> Tensor:
        noisy = self.image + moves[:, None] + self.noise(step)
        cells = self.granularity(sensitivity(self.model, noisy.flatten(0, 1), self.target))
        shown = torch.nn.functional.normalize(cells, dim=1)
        means = shown.reshape(*noisy.shape[:2], -1).mean(dim=1)
        return 1.0 - torch.nn.functional.cosine_similarity(means, self.observed, dim=1)


class Effort(NamedTuple):
    """Steps of the ascent, noisy images a step, samples to choose among moves; beta of the softplus for each ReLU."""

    steps: int
    noises: int
    choice: int
    beta: float


class Move(NamedTuple):
    """The move chosen for one radius, and whether the ascent found it; else it is a random one."""

    move: Tensor
    ascended: bool


def turn(sampler: Sampler, observed: ndarray, radii: tuple[float, ...], effort: Effort) -> list[Move]:
    """For each radius the best of some random moves and of an ascent from the first of them, as the real network
    judges them on the same fresh noise. The sampler's map is the unit map."""
    # Single precision must not take a move out of the ball.
    rho = torch.tensor(radii) * (1 - 1e-6)
    shape = (len(radii), *sampler.image.shape)
    random = torch.Generator().manual_seed(sampler.seed)
    tried = [on_sphere(torch.randn(shape, generator=random), rho) for _ in range(RANDOM_MOVES)]
    objective = Turned(
        softened(sampler.model, effort.beta),
        sampler.image,
        sampler.target or 0,
        sampler.granularity,
        torch.from_numpy(observed).float(),
        lambda step: sampler.noise.draw(sampler.seed, step, (effort.noises, *sampler.image.shape), ATTACK_LANE),
    )
    tried.append(maximise(objective, tried[0], rho, effort.steps).detach())
    best = []
    for number in range(len(radii)):
        moves = [moves[number] for moves in tried]
        samplers = [
            replace(sampler, image=sampler.image + move, samples=effort.choice, lane=CHOICE_LANE) for move in moves
        ]
        found = [cosine(observed, counted([each])[0], each.map.scale).estimate for each in samplers]
        chosen = int(np.argmin(found))
        best.append(Move(moves[chosen], chosen == RANDOM_MOVES))
    return best
