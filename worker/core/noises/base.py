"""What every noise law offers: replayable draws, and the shift of a mean under a move of the image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from worker.core.registry import Entry

Values = Float[ndarray, "*shape"]
Shift = Callable[[Values, Values], Values]
# Halvings of the radius that is sought; what is left is rounded down.
BISECTIONS = 45


# A block is drawn in this many parts, at the same time where there are cores for it.
PARTS = 4
# Below this many numbers, threads cost more than they save.
THREADED = 100_000


def stream(seed: int, block: int, lane: int = 0, part: int = 0) -> np.random.Generator:
    """The random numbers of one block. Lanes, and parts of a lane, do not overlap: the counter of Philox has four words
    of 64 bits, of which the first counts draws, the second is the part and the third the lane."""
    counter, key = np.array([0, part, lane, 0], dtype=np.uint64), np.array([seed, block], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))


class Noise(Entry):
    """A noise law around the image, in [0,1] pixel units, added before the model's normalisation and never clipped."""

    def for_elements(self, elements: int) -> Noise:
        """This law on images of so many elements. Laws whose shift depends on the number must be bound to it first."""
        return self

    @final
    def draw(self, seed: int, block: int, shape: tuple[int, ...], lane: int = 0) -> Float[Tensor, "..."]:
        """The noise of one block: the same float32 numbers for the same (seed, block, lane), in any order.

        Philox is a counter-based generator whose 128-bit key is (seed, block), so blocks are independent streams.
        """
        drawn = np.empty(shape, dtype=np.float32)
        parts = [(number, rows) for number, rows in enumerate(np.array_split(drawn, PARTS)) if len(rows)]

        def fill(part: tuple[int, ndarray]) -> None:
            number, rows = part
            rows[...] = self.sample(stream(seed, block, lane, number), rows.shape)

        # Numpy draws without Python's lock. Threads are started for each block: a kept pool would not survive a fork.
        if drawn.size < THREADED:
            for part in parts:
                fill(part)
        else:
            with ThreadPoolExecutor(min(PARTS, torch.get_num_threads())) as pool:
                list(pool.map(fill, parts))
        return torch.from_numpy(drawn)

    @abstractmethod
    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Float[ndarray, "..."]:
        """Independent draws along the first axis, float32."""

    @abstractmethod
    def lower(self, p: Values, rho: float | Values) -> Values:
        """The least mean at x + d, over all ||d||_2 <= rho, of any [0,1] function whose mean at x is at least p."""

    @abstractmethod
    def upper(self, p: Values, rho: float | Values) -> Values:
        """The greatest mean at x + d, over all ||d||_2 <= rho, of any [0,1] function whose mean at x is at most p."""

    @abstractmethod
    def total_variation(self, rho: float) -> float:
        """The greatest total variation distance between the noise around x and around x + d over all ||d||_2 <= rho:
        the share of one law outside the other, in [0,1]. Rounded up; never falls with rho.
        """

    @abstractmethod
    def separation(self, low: Values, high: Values) -> Values:
        """The radius up to which `low` stays above `high`: lower(low, rho) > upper(high, rho) for every rho below it.

        Rounded down; zero or less where low <= high.
        """


def meeting(lower: Shift, upper: Shift, low: Values, high: Values, limit: Values) -> Values:
    """The radius up to which lower(low, rho) > upper(high, rho), for shifts without a closed form of it: bisected
    between 0 and `limit`, which it must not exceed, and rounded down; zero where there is none."""
    low, high, limit = np.broadcast_arrays(low, high, limit)
    apart = limit > 0
    pairs, where = np.unique(np.stack([low[apart], high[apart], limit[apart]]), axis=1, return_inverse=True)
    inside, outside = np.zeros(pairs.shape[1]), pairs[2]
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        above = lower(pairs[0], middle) > upper(pairs[1], middle)
        inside, outside = np.where(above, middle, inside), np.where(above, outside, middle)
    radii = np.zeros(low.shape)
    radii[apart] = inside[where.ravel()]
    return radii
