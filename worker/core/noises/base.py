"""What every noise law offers: replayable draws, and the shift of a mean under a move of the image."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from worker.core.registry import Entry

Values = Float[ndarray, "*shape"]


class Noise(Entry):
    """A noise law around the image, in [0,1] pixel units, added before the model's normalisation and never clipped."""

    @final
    def draw(self, seed: int, block: int, shape: tuple[int, ...]) -> Float[Tensor, "..."]:
        """The noise of one block: the same float32 numbers for the same (seed, block), on any device, in any order.

        Philox is a counter-based generator whose 128-bit key is (seed, block), so blocks are independent streams.
        """
        generator = np.random.Generator(np.random.Philox(key=np.array([seed, block], dtype=np.uint64)))
        return torch.from_numpy(self.sample(generator, shape))

    @abstractmethod
    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Float[ndarray, "..."]:
        """Independent draws along the first axis, float32."""

    @abstractmethod
    def lower(self, p: Values, rho: float) -> Values:
        """The least mean at x + d, over all ||d||_2 <= rho, of any [0,1] function whose mean at x is at least p."""

    @abstractmethod
    def upper(self, p: Values, rho: float) -> Values:
        """The greatest mean at x + d, over all ||d||_2 <= rho, of any [0,1] function whose mean at x is at most p."""

    @abstractmethod
    def separation(self, low: Values, high: Values) -> Values:
        """The radius up to which `low` stays above `high`: lower(low, rho) > upper(high, rho) for every rho below it.

        Rounded down; zero or less where low <= high.
        """
