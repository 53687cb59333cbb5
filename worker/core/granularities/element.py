"""One cell per element."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from worker.contract.errors import UnsupportedAttribution
from worker.core.granularities.base import Granularity


class Element(Granularity):
    """A cell is one channel of one pixel, as in Levine et al. 2019. Needs an attribution per element."""

    name: ClassVar[str] = "element"
    summary: ClassVar[str] = "One cell per element: each channel of each pixel on its own"
    source: ClassVar[str] = "Levine et al. 2019, section 2"
    noun: ClassVar[str] = "elements"

    def reduce(self, magnitudes: Float[Tensor, "batch *cells"]) -> Float[Tensor, "batch ..."]:
        if magnitudes.ndim != 4:
            raise UnsupportedAttribution("This attribution has no value per channel; use granularity pixel.")
        return magnitudes

    def grid(self, channels: int, height: int, width: int) -> tuple[int, int, int]:
        return (channels, height, width)
