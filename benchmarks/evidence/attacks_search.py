"""The search for a harmful move: five attacks for each radius, of which fresh samples choose the one to be judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy import ndarray
from scipy.special import ndtr
from torch import Tensor

from benchmarks.evidence.attack import Weighted, look, maximise, on_sphere, slope, softened
from benchmarks.evidence.attacks_settings import ATTACKS, Sizes
from worker.core.certificates.evidence import Evidence
from worker.core.maps.relaxed import Params, Relaxed
from worker.core.noises.base import stream
from worker.core.sampler import Sampler

# The attack's map and network (Levine et al. 2019: tau 0.1, gamma 0.01). A small beta suits noisy second derivatives.
RELAXED, BETA = Relaxed(Params(tau=0.1, gamma=0.01)), 5.0
# How near to the K-th largest mean a cell must be for the attacks at the boundary to care for it.
WIDTH = 0.03
# How far from it a member counts as surely kept or lost when moves are compared.
SOFT = 0.01
# Random numbers that neither the certificate nor the judge uses.
NOISE, SCREEN, SLOPE = 20_000_000, 30_000_000, 40_000_000


class Moves(NamedTuple):
    """For each radius the chosen move, of that norm, and the number of its attack; what the screening saw kept of the
    set, [attacks, radii]."""

    chosen: Tensor
    attack: ndarray
    screened: ndarray


@dataclass(frozen=True)
class Search:
    """Against the certificate of `evidence`. Its own `votes` are used: it holds for moves chosen after sampling too."""

    sizes: Sizes
    sampler: Sampler
    evidence: Evidence
    size: int
    votes: Tensor

    def __call__(self, radii: Tensor) -> Moves:
        generator = torch.Generator().manual_seed(self.sampler.seed)
        directions = torch.randn(self.sizes.directions, *self.sampler.image.shape, generator=generator)
        start = on_sphere(directions[:1].expand(len(radii), -1, -1, -1), radii) / 2
        ascents = self._ascend(start, radii)
        found = torch.stack([self._random(directions, radii), self._raw(start, radii), *ascents, self._slopes(radii)])
        found = on_sphere(found.flatten(0, 1), radii.repeat(len(ATTACKS))).reshape(found.shape)
        screened = np.array([[self._kept(move) for move in moves] for moves in found])
        best = screened.argmin(axis=0)
        return Moves(found[best, np.arange(len(radii))], best, screened)

    def _random(self, directions: Tensor, radii: Tensor) -> Tensor:
        largest = on_sphere(directions, radii.max().expand(len(directions)))
        worst = int(np.argmin([self._kept(move) for move in largest]))
        return directions[worst].expand(len(radii), -1, -1, -1)

    def _raw(self, start: Tensor, radii: Tensor) -> Tensor:
        """The attack on the map of the image without noise, on that map's own top-K set."""
        at = self.sampler
        raw = at.granularity(at.attribution(at.model, at.image[None], at.target, stream(at.seed, 0)).values)
        weights = torch.zeros_like(raw).scatter(1, raw.topk(self.size, dim=1).indices, -1.0)
        silent = torch.zeros(1, *at.image.shape)
        return maximise(self._objective(weights, lambda _: silent), start, radii, 4 * self.sizes.steps)

    def _ascend(self, start: Tensor, radii: Tensor) -> Tensor:
        """Algorithm 1 of Levine et al. and the same with the weights of the boundary, all radii at once."""
        weights = torch.stack([-self._inside.float(), self._at_boundary(self.evidence.mean)])
        shape = (self.sizes.noisy, *self.sampler.image.shape)
        objective = self._objective(
            weights.repeat_interleave(len(radii), dim=0),
            lambda step: self.sampler.noise.draw(self.sampler.seed + NOISE, step, shape),
        )
        moves = maximise(objective, start.repeat(2, 1, 1, 1), radii.repeat(2), self.sizes.steps)
        return moves.reshape(2, *start.shape)

    def _slopes(self, radii: Tensor) -> Tensor:
        """To the sphere along the slope at the image, then along the sum of that slope and the one found there."""
        first = _unit(slope(self.sampler, self.votes, self._at_boundary(self.evidence.mean)))
        moves = []
        for rho in radii:
            there = self._moved(rho * first, self.sizes.slopes, SLOPE)
            counts, votes = look(there)
            second = slope(there, votes, self._at_boundary(counts.votes / counts.samples))
            moves.append(first + _unit(second))
        return torch.stack(moves)

    @property
    def _inside(self) -> Tensor:
        """Which cells are in the observed top-K set."""
        inside = torch.zeros(self.evidence.cells, dtype=torch.bool)
        inside[torch.from_numpy(self.evidence.order[: self.size].copy())] = True
        return inside

    def _at_boundary(self, mean: ndarray) -> Tensor:
        """Weights that push members of the set down and others up, most of all those next to the K-th largest mean."""
        edge = np.sort(mean)[-self.size]
        near = torch.from_numpy(np.exp(-(((mean - edge) / WIDTH) ** 2) / 2)).float()
        return near * torch.where(self._inside, -1.0, 1.0)

    def _kept(self, move: Tensor) -> float:
        """How many members the set keeps, where one at the edge counts half: so that few samples tell moves apart."""
        counts, _ = look(self._moved(move, self.sizes.screen, SCREEN))
        mean = counts.votes / counts.samples
        return float(ndtr((mean[self._inside.numpy()] - np.sort(mean)[-self.size]) / SOFT).sum())

    def _moved(self, move: Tensor, samples: int, lane: int) -> Sampler:
        at = self.sampler
        return replace(at, image=at.image + move, samples=samples, seed=at.seed + lane)

    def _objective(self, weights: Tensor, noise: Callable[[int], Tensor]) -> Weighted:
        at = self.sampler
        if at.target is None:
            raise ValueError("the attacks are on the map of one fixed class")
        return Weighted(softened(at.model, BETA), at.image, at.target, at.granularity, RELAXED, weights, noise)


def _unit(direction: Tensor) -> Tensor:
    return on_sphere(direction[None], torch.ones(1))[0]
