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


def stream(seed: int, block: int, lane: int = 0) -> np.random.Generator:
    """The random numbers of one block. Lanes do not overlap: each begins 2^128 draws after the one before."""
    philox = np.random.Philox(key=np.array([seed, block], dtype=np.uint64))
    return np.random.Generator(philox.jumped(lane) if lane else philox)


class Noise(Entry):
    """A noise law around the image, in [0,1] pixel units, added before the model's normalisation and never clipped."""

    def for_elements(self, elements: int) -> Noise:
        """This law on images of so many elements. Laws whose shift depends on the number must be bound to it first."""
        return self

    @final
    def draw(self, seed: int, block: int, shape: tuple[int, ...]) -> Float[Tensor, "..."]:
        """The noise of one block: the same float32 numbers for the same (seed, block), on any device, in any order.

        Philox is a counter-based generator whose 128-bit key is (seed, block), so blocks are independent streams.
        """
        return torch.from_numpy(self.sample(stream(seed, block), shape))

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
    def total_variation(self, rho: float) -> float:
        """The greatest total variation distance between the noise around x and around x + d over all ||d||_2 <= rho:
        the share of one law outside the other, in [0,1]. Rounded up; never falls with rho.
        """

    @abstractmethod
    def separation(self, low: Values, high: Values) -> Values:
        """The radius up to which `low` stays above `high`: lower(low, rho) > upper(high, rho) for every rho below it.

        Rounded down; zero or less where low <= high.
        """
