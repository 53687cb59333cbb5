"""What an attack may use to search: a differentiable stand-in of the explanation. The judge is not among it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from worker.core.attacks.ball import Ball
from worker.core.attacks.derivatives import Derivative, derivative
from worker.core.attacks.softened import Softened
from worker.core.attacks.subject import SEARCH, Subject
from worker.core.attributions.base import Classes, Images
from worker.core.distances.base import Distance, Maps
from worker.core.maps.relaxed import Params as Shares
from worker.core.maps.relaxed import Relaxed
from worker.core.maps.sparsified import Sparsified

Rows = Float[Tensor, " rows"]
# What maps are worth to an attack, row by row; differentiable.
Objective = Callable[[Maps], Rows]
HALVINGS = 8
# The sparsified map has no derivative; the relaxed one of the same tau has, with this share of tau for its gamma.
RELAXED = 0.1


@dataclass(frozen=True)
class Search:
    """One row for each image and restart.

    beta: the softplus that stands for ReLU. noisy: noisy images of the smoothed stand-in, the same in all its calls
    and for all rows (common random numbers), and not those of the judge. reference: the real maps of the images.
    keep_class: steps may not change the class that the real network predicts.
    """

    subject: Subject
    ball: Ball
    distance: Distance
    reference: Maps
    generator: torch.Generator
    keep_class: bool
    beta: float
    noisy: int

    @property
    def images(self) -> Images:
        return self.subject.images

    def surface(self) -> Images:
        """The images, each moved by a random move of the ball's radius."""
        return self.ball.project(self.images, self.images + self.ball.surface(self.images, self.generator))

    def step(self, moved: Images, move: Images) -> tuple[Images, Rows]:
        """Moved images one move further, and the share of the move that was made: 1, or the largest 1/2^j for which
        the class stays, or 0. So a search comes close to a decision boundary and does not cross it."""
        share = torch.ones(len(moved), dtype=moved.dtype, device=moved.device)
        for _ in range(HALVINGS):
            there = self.ball.project(self.images, moved + share[:, None, None, None] * move)
            lost = self.lost(there)
            if not bool(lost.any()):
                return there, share
            share = torch.where(lost, share / 2, share)
        return torch.where(lost[:, None, None, None], moved, there), torch.where(lost, 0.0, share)

    def lost(self, moved: Images) -> Tensor:
        """Which moved images have another class, where that is not allowed."""
        return (
            ~self.subject.keeps(moved)
            if self.keep_class
            else torch.zeros(len(moved), dtype=torch.bool, device=moved.device)
        )

    def climb(self, moved: Images, objective: Objective) -> tuple[Rows, Images]:
        """The objective of the stand-in's maps, and its gradient with respect to the images; 0 where it has none.

        The noisy images pass twice, so that memory is that of one batch: first for the mean map and what each of its
        cells is worth, then for the gradient of the cells at that price.
        """
        maps = self.maps(moved).requires_grad_()
        value = objective(maps)
        (price,) = torch.autograd.grad(value.sum(), maps)
        gradient = torch.zeros_like(moved)
        for rows, images, cells in self._passes(moved):
            if cells.requires_grad:
                worth = (cells * price[rows].flatten(1)[:, None]).sum() / self._samples
                gradient[rows] += torch.autograd.grad(worth, images)[0]
        return value.detach(), gradient.nan_to_num(0.0, 0.0, 0.0)

    def maps(self, moved: Images) -> Maps:
        """The stand-in's maps."""
        total: Tensor | None = None
        for rows, _, cells in self._passes(moved):
            if total is None:
                total = torch.zeros((len(moved), cells.shape[2]), dtype=torch.float64, device=moved.device)
            total[rows] += cells.detach().sum(dim=1)
        if total is None:
            raise ValueError("a search is about at least one image")
        return self.subject.grid(total / self._samples)

    @property
    def _samples(self) -> int:
        return 1 if self.subject.smoothing is None else self.noisy

    def _passes(self, moved: Images) -> Iterator[tuple[slice, Images, Float[Tensor, "rows noisy cells"]]]:
        """In parts of one batch: which rows, their images, and the cells of their noisy images in a graph to them."""
        attribute = derivative(self.subject.attribution)
        for noise in self.subject.noise(self._samples, SEARCH):
            at_once = max(1, self.subject.batch // len(noise))
            for start in range(0, len(moved), at_once):
                rows = slice(start, start + at_once)
                images = moved[rows].detach().requires_grad_()
                noisy = (images[:, None] + noise).flatten(0, 1)
                classes = self.subject.classes[rows].repeat_interleave(len(noise))
                cells = self._cells(attribute, noisy, classes)
                yield rows, images, cells.reshape(len(images), len(noise), -1)

    def _cells(self, attribute: Derivative, noisy: Images, classes: Classes) -> Float[Tensor, "rows cells"]:
        with Softened(self.beta):
            values = attribute(self.subject.model, noisy, classes)
        granularity, mapping = self.subject.granularity, self.subject.map
        if isinstance(mapping, Sparsified):
            mapping = Relaxed(Shares(tau=mapping.params.tau, gamma=RELAXED * mapping.params.tau))
        cells = values.flatten(1) if granularity is None else granularity(values)
        return (cells if mapping is None else mapping.run(cells)).double()
