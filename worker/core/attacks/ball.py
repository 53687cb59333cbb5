"""The ball that an attack may move an image in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from worker.core.attributions.base import Images

Norm = Literal["l2", "linf"]
Rows = Float[Tensor, " rows"]


@dataclass(frozen=True)
class Ball:
    """Moves of norm at most `radius`, in [0,1] pixel units. `pixels`: moved images must stay in [0,1] too.

    The certificates hold for every move in the l2 ball and do not clip: `pixels` makes the attacker weaker than theirs.
    """

    norm: Norm
    radius: float
    pixels: bool = False

    def lengths(self, moves: Images) -> Rows:
        """The norm of each move, in double precision."""
        flat = moves.double().flatten(1)
        return flat.abs().amax(dim=1) if self.norm == "linf" else torch.linalg.vector_norm(flat, dim=1)

    def holds(self, images: Images, moved: Images) -> Bool[Tensor, " rows"]:
        """Whether each moved image, as its numbers are, lies in the ball; false for one that is not finite."""
        inside = self.lengths(moved.double() - images.double()) <= self.radius
        within = ((moved >= 0) & (moved <= 1)).flatten(1).all(dim=1)
        return inside & within if self.pixels else inside

    def project(self, images: Images, moved: Images) -> Images:
        """The nearest moved images in the ball, less what rounding to float32 could add; what is not finite becomes
        the image itself. Images outside [0,1] cannot be moved into it if it is farther than the radius."""
        moves = moved.double() - images.double()
        moves = torch.where(_column(torch.isfinite(self.lengths(moves)), moves), moves, 0.0)
        # The sum is rounded by half a unit in the last place of each element, so by at most this much in any norm.
        slack = torch.finfo(images.dtype).eps * (self.lengths(images) + self.radius)
        reach = (self.radius - slack).clamp(min=0.0)
        if self.norm == "linf":
            moves = moves.clamp(-_column(reach, moves), _column(reach, moves))
        else:
            moves = moves * _column((reach / self.lengths(moves).clamp(min=1e-300)).clamp(max=1.0), moves)
        there = (images.double() + moves).to(images.dtype)
        return there.clamp(0.0, 1.0) if self.pixels else there

    def steepest(self, gradients: Images) -> Images:
        """The move of norm 1 along which a linear function with this gradient rises fastest; zero where that is."""
        if self.norm == "linf":
            return gradients.sign()
        lengths = self.lengths(gradients).to(gradients.dtype)
        return gradients / _column(torch.where(lengths > 0, lengths, 1.0), gradients)

    def surface(self, images: Images, generator: torch.Generator) -> Images:
        """A random move of norm `radius` for each image: uniform on the sphere, or a uniform corner of the cube."""
        drawn = torch.randn(images.shape, generator=generator, dtype=images.dtype).to(images.device)
        return self.radius * self.steepest(drawn)


def _column(values: Tensor, like: Tensor) -> Tensor:
    """One value for each row of `like`."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
