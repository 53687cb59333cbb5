"""Euclidean distance."""

from __future__ import annotations

from typing import ClassVar

import torch

from worker.core.distances.base import Distance, Maps, Rows


class L2(Distance):
    """The length of the difference of two maps, in the units of their cells: it knows no scale of its own."""

    name: ClassVar[str] = "l2"
    summary: ClassVar[str] = "Length of the difference of two maps, in the units of their cells"
    source: ClassVar[str] = "Wang & Kong 2023, section 3"
    similarity: ClassVar[bool] = False

    def run(self, first: Maps, second: Maps) -> Rows:
        length: Rows = torch.linalg.vector_norm((first - second).flatten(1), dim=1)
        return length

    def ascent(self, first: Maps, second: Maps) -> Rows:
        """The square: it grows alike, and has a derivative where the distance is 0."""
        return (first.double() - second.double()).square().flatten(1).sum(dim=1)
