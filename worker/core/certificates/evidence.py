"""What certificates are drawn from: the observed map, its intervals, and the noise law that shifts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from worker.contract.errors import NoCells
from worker.core.bounds.base import Bounds
from worker.core.granularities.base import Layout
from worker.core.noises.base import Noise
from worker.core.statistics.counts import Tallies


@dataclass(frozen=True)
class Evidence:
    """The state after sampling. `noun` and `subject` are words of a statement: "pixels", "class 'cat'".

    `map` is the name of the map that gave the votes, `target` the fixed class (None: each noisy image's own).

    `bounds` are the intervals of the event that all box certificates share. A certificate with a statistic of its own
    finds it in `tallies`, under the name it was given, and spends `share` on it. `alpha` is the total of the result.
    """

    votes: Int[ndarray, " cells"]
    samples: int
    bounds: Bounds
    interval: str
    noise: Noise
    noun: str
    subject: str
    grid: tuple[int, int, int]
    layout: Layout
    map: str
    target: int | None
    alpha: float
    share: float = 0.0
    scale: int = 1
    tallies: Tallies = field(default_factory=dict)

    @property
    def cells(self) -> int:
        return len(self.votes)

    @property
    def confidence(self) -> float:
        return 1.0 - self.alpha

    @cached_property
    def mean(self) -> Float[ndarray, " cells"]:
        """The observed map."""
        return self.votes / (self.samples * self.scale)

    @cached_property
    def order(self) -> Int[ndarray, " cells"]:
        """Cells by falling observed votes; among equals the first in the grid comes first."""
        return np.argsort(-self.votes, kind="stable")

    def size(self, k: float, pointer: str) -> int:
        """ceil(k * cells), the size of the top-K set. Raises NoCells when the fraction is less than one cell."""
        if k * self.cells < 1:
            raise NoCells(
                f"k = {k:g} of {self.cells} {self.noun} is less than one; the smallest k here is {1 / self.cells:.6g}.",
                pointer=pointer,
            )
        return int(np.ceil(k * self.cells - 1e-9))
