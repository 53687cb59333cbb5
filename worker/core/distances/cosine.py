"""Cosine similarity."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from worker.core.distances.base import Distance, Maps, Rows


class Cosine(Distance):
    """The cosine of the angle between two maps as vectors, in [-1,1]; 0 where either is zero everywhere."""

    name: ClassVar[str] = "cosine"
    summary: ClassVar[str] = "Cosine of the angle between two maps; 0 where one of them is zero"
    source: ClassVar[str] = "Wang & Kong 2023, section 3"
    similarity: ClassVar[bool] = True

    def run(self, first: Maps, second: Maps) -> Rows:
        return cosine(first.flatten(1), second.flatten(1))


def cosine(first: Float[Tensor, "rows cells"], second: Float[Tensor, "rows cells"]) -> Rows:
    """The cosine of each row; 0, and flat, where either is zero."""
    return (unit(first) * unit(second)).sum(dim=1).clamp(-1.0, 1.0)


def unit(vectors: Float[Tensor, "rows cells"]) -> Float[Tensor, "rows cells"]:
    """Each row over its length; zero rows stay zero. By its largest cell first, so that no square is lost."""
    largest = vectors.detach().abs().amax(dim=1, keepdim=True)
    shares = vectors / torch.where(largest > 0, largest, 1.0)
    # A zero row would have no derivative: its length is taken for 1.
    squares = shares.square().sum(dim=1, keepdim=True)
    return shares / torch.where(largest > 0, squares, 1.0).sqrt()
