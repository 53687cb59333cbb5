"""What certificates are drawn from: the observed map, its intervals, and the noise law that shifts them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from worker.contract.errors import NoCells
from worker.core.bounds.base import Bounds
from worker.core.noises.base import Noise


@dataclass(frozen=True)
class Evidence:
    """The state after sampling. `noun` and `subject` are words of a statement: "pixels", "class 'cat'"."""

    votes: Int[ndarray, " cells"]
    samples: int
    bounds: Bounds
    interval: str
    noise: Noise
    noun: str
    subject: str

    @property
    def cells(self) -> int:
        return len(self.votes)

    @property
    def confidence(self) -> float:
        return 1.0 - self.bounds.alpha

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
