"""The scaled map: each sample divided by its largest cell."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from worker.core.maps.base import RESOLUTION, Cells, SampleMap, over_largest


class Scaled(SampleMap):
    """g / max g: keeps all proportions, and for that reason certifies next to nothing; for comparison."""

    name: ClassVar[str] = "scaled"
    summary: ClassVar[str] = "Each cell over the largest of its sample"
    source: ClassVar[str] = "Levine et al. 2019, section 2.2"
    scale: ClassVar[int] = RESOLUTION

    def run(self, cells: Cells) -> Float[Tensor, "batch cells"]:
        return over_largest(cells)
