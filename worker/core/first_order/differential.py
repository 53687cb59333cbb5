"""A gradient attribution near one image: its values, and products with its Jacobian."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from worker.contract.errors import NonFiniteLogits
from worker.core.attributions.base import differentiable

Kind = Literal["gradient", "input_x_gradient", "integrated_gradients"]
Image = Float[Tensor, "channels height width"]
Moves = Float[Tensor, "rows channels height width"]


class Differential:
    """g(x) and the products J v and J^T u with its Jacobian J at x, without J itself, for the logit f of one class.

    gradient: g = f'(x), and J is the Hessian of f. The other two are g = (x - b) * G, where G is the mean of f' at
    the points b + t (x - b): input x gradient has b = 0 and the one point t = 1, integrated gradients the midpoints
    t = (j + 1/2) / steps. Then J = diag(G) + diag(x - b) A with the symmetric A = mean of t f'' at these points.
    Units: [0,1] pixels; b is the level `baseline` in every element. At most `batch` images pass the network at a time.
    The model must be in evaluation mode and have second derivatives: see Smooth.
    Raises: UnsupportedAttribution if the logit does not depend on the image differentiably; NonFiniteLogits.
    """

    def __init__(
        self,
        model: nn.Module,
        image: Image,
        target: int,
        kind: Kind,
        *,
        steps: int = 16,
        baseline: float = 0.0,
        batch: int = 16,
    ) -> None:
        self.model, self.image, self.target, self.kind, self.batch = model, image.detach(), target, kind, batch
        integrated = kind == "integrated_gradients"
        self._start = torch.full_like(image, baseline if integrated else 0.0)
        points = (torch.arange(steps) + 0.5) / steps if integrated else torch.ones(1)
        self.shares = points.to(image)
        self._mean = self._gradients(self.image[None])[0]
        self.values = self._mean if kind == "gradient" else (self.image - self._start) * self._mean
        if not bool(torch.isfinite(self.values).all()):
            raise NonFiniteLogits("The attribution of this image is not finite; check the model's weights.")

    @property
    def elements(self) -> int:
        return self.image.numel()

    def at(self, images: Moves) -> Moves:
        """The attribution of other images."""
        gradients = self._gradients(images)
        return gradients if self.kind == "gradient" else (images - self._start) * gradients

    def forwards(self, moves: Moves) -> Moves:
        """J v for each row v: how g changes, to first order, when the image moves by v."""
        curved = self._curved(moves)
        return curved if self.kind == "gradient" else self._mean * moves + (self.image - self._start) * curved

    def backwards(self, changes: Moves) -> Moves:
        """J^T u for each row u: how the product of u and g changes with the image."""
        if self.kind == "gradient":
            return self._curved(changes)
        return self._mean * changes + self._curved((self.image - self._start) * changes)

    def _gradients(self, images: Moves) -> Moves:
        """G at each image: the mean of f' over its points."""
        total = torch.zeros_like(images)
        for rows, shares in self._passes(len(images)):
            total.index_add_(0, rows, self._slope(self._points(images[rows], shares)).detach())
        return total / len(self.shares)

    def _curved(self, moves: Moves) -> Moves:
        """A v for each row v: Hessian-vector products by differentiating the gradient once more."""
        total = torch.zeros_like(moves)
        for rows, shares in self._passes(len(moves)):
            points = self._points(self.image.expand(len(rows), *self.image.shape), shares).requires_grad_()
            slope = self._slope(points)
            if not slope.requires_grad:  # A logit that is linear in the image has no curvature at all.
                return total
            (curved,) = torch.autograd.grad(slope, points, moves[rows], materialize_grads=True)
            total.index_add_(0, rows, curved * shares.reshape(-1, 1, 1, 1))
        return total / len(self.shares)

    def _passes(self, rows: int) -> list[tuple[Tensor, Tensor]]:
        """Every pair of a row and a point, `batch` at a time."""
        numbers = torch.arange(rows, device=self.image.device).repeat_interleave(len(self.shares))
        return list(
            zip(torch.split(numbers, self.batch), torch.split(self.shares.repeat(rows), self.batch), strict=True)
        )

    def _points(self, images: Moves, shares: Float[Tensor, " rows"]) -> Moves:
        return (self._start + shares.reshape(-1, 1, 1, 1) * (images - self._start)).detach()

    def _slope(self, points: Moves) -> Moves:
        """f' at each point; differentiable where the points already require gradients."""
        follow = points.requires_grad
        logits = differentiable(self.model, points.requires_grad_())
        (slope,) = torch.autograd.grad(logits[:, self.target].sum(), points, create_graph=follow)
        return slope
