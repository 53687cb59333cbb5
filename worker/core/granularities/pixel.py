"""One cell per pixel."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from worker.core.granularities.base import Granularity


class Pixel(Granularity):
    """A cell is a pixel; its value is the greatest magnitude over the channels."""

    name: ClassVar[str] = "pixel"
    summary: ClassVar[str] = "One cell per pixel: the greatest magnitude over the channels"
    source: ClassVar[str] = "Simonyan et al. 2014, section 3.1"
    noun: ClassVar[str] = "pixels"

    def reduce(self, magnitudes: Float[Tensor, "batch *cells"]) -> Float[Tensor, "batch ..."]:
        return magnitudes.amax(dim=1) if magnitudes.ndim == 4 else magnitudes

    def grid(self, channels: int, height: int, width: int) -> tuple[int, int, int]:
        return (1, height, width)
