"""One cell per square patch of pixels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from worker.contract.spec import Frozen
from worker.core.granularities.base import Granularity
from worker.core.granularities.pixel import Pixel


class Params(Frozen):
    """size: the side of a patch, in pixels."""

    size: int = Field(ge=1, le=1024, strict=True)


class Patch(Granularity):
    """A cell is a size x size square; its value is the mean of its pixels' values, as granularity pixel gives them.

    Patches are laid from the top left; those at the right and lower edge are smaller, and their mean is over the pixels
    that are there. Coarser cells vote more steadily than pixels and are fewer, so that more of them can be certified.
    """

    name: ClassVar[str] = "patch"
    summary: ClassVar[str] = "One cell per size x size patch: the mean over its pixels; certifies further than pixels"
    source: ClassVar[str] = "Surety"
    noun: ClassVar[str] = "patches"
    Params: ClassVar[type[Frozen]] = Params

    def reduce(self, magnitudes: Float[Tensor, "batch *cells"]) -> Float[Tensor, "batch ..."]:
        pixels = Pixel(Pixel.Params()).reduce(magnitudes)
        # The divisor counts pixels of the image only, so that smaller patches get the mean of what is there.
        return functional.avg_pool2d(pixels[:, None], self.params.size, ceil_mode=True, count_include_pad=False)[:, 0]

    def grid(self, channels: int, height: int, width: int) -> tuple[int, int, int]:
        size = self.params.size
        return (1, -(-height // size), -(-width // size))

    def cell_of(self, length: int) -> Int[ndarray, " length"]:
        return np.asarray(np.arange(length) // self.params.size)
