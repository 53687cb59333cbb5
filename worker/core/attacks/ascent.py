"""Projected ascent: the search that several attacks share."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from worker.core.attacks.search import Objective, Search
from worker.core.attributions.base import Images


def ascend(search: Search, objective: Objective, start: Images, steps: int, stride: float) -> Iterator[Images]:
    """The best of `steps` steps of length `stride` along the steepest direction in the ball's norm, by the objective.

    A step that would change the class is halved until it does not, and left out where that does not help.
    """
    moved = best = start
    most = torch.full((len(start),), -torch.inf, dtype=torch.float64, device=start.device)
    for _ in range(steps):
        value, gradient = search.climb(moved, objective)
        better = (value > most) & ~search.lost(moved)
        best = torch.where(better[:, None, None, None], moved, best)
        most = torch.where(better, value, most)
        moved, _ = search.step(moved, stride * search.ball.steepest(gradient))
    # The last step is a candidate of its own: what it is worth, the judge says.
    yield best
    yield moved
