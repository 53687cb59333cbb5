"""Pearson's correlation."""

from __future__ import annotations

from typing import ClassVar

from worker.core.distances.base import Distance, Maps, Rows
from worker.core.distances.cosine import cosine


class Pearson(Distance):
    """The linear correlation of two maps over their cells, in [-1,1]; 0 where either is constant."""

    name: ClassVar[str] = "pearson"
    summary: ClassVar[str] = "Linear correlation of two maps over their cells; 0 where one of them is constant"
    source: ClassVar[str] = "Pearson 1895"
    similarity: ClassVar[bool] = True

    def run(self, first: Maps, second: Maps) -> Rows:
        return pearson(first, second)


def pearson(first: Maps, second: Maps) -> Rows:
    """The cosine of the maps after each lost its mean."""
    one, other = (maps.flatten(1) for maps in (first, second))
    # The mean of equal numbers may differ from them by rounding, which would pass for a ranking.
    varied = [each.amax(dim=1, keepdim=True) > each.amin(dim=1, keepdim=True) for each in (one, other)]
    return cosine(
        (one - one.mean(dim=1, keepdim=True)) * varied[0], (other - other.mean(dim=1, keepdim=True)) * varied[1]
    )
