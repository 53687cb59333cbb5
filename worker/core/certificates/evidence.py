"""What certificates are drawn from: the observed map, its intervals, and the noise law that shifts them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from worker.contract.errors import NoCells
from worker.core.bounds.base import Bounds, Interval
from worker.core.certificates.rerun import Rerun
from worker.core.granularities.base import Layout
from worker.core.noises.base import Noise
from worker.core.statistics.counts import Tallies


@dataclass(frozen=True)
class Evidence:
    """The state after sampling. `noun` and `subject` are words of a statement: "pixels", "class 'cat'".

    `map` is the name of the map that gave the votes, `target` the fixed class (None: each noisy image's own).

    `bounds` are the intervals of the event that all box certificates share. A certificate with a statistic of its own
    finds it in `tallies`, under the name it was given, and spends `share` on it. `alpha` is the total of the result.

    `rerun` is there where the map of a fresh run is compared (`compare: observed`). The 2 m sides of `bounds` and the
    2 m of the fresh run each fail with probability at most `bounds.side`, (failures + 1) 2 bounds.alpha of them on
    average; so with probability at least 1 - 2 bounds.alpha all but `failures` cells are right in both runs (Markov).
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
    rerun: Rerun | None = None

    @property
    def cells(self) -> int:
        return len(self.votes)

    @property
    def confidence(self) -> float:
        return 1.0 - self.alpha

    @property
    def shift(self) -> Noise | Rerun:
        """From the intervals of the cells at x to what they allow at x + d: of the population, or in a fresh run."""
        return self.rerun or self.noise

    def own_shift(self, interval: Interval, scale: int) -> Noise | Rerun:
        """`shift` for the mean of a statistic of its own, at its own share of alpha; see Rerun."""
        return replace(self.rerun, interval=interval, scale=scale, side=self.share) if self.rerun else self.noise

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
