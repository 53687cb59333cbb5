"""The quadratic map: each sample squared and divided by its largest cell."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from worker.core.maps.base import RESOLUTION, Cells, SampleMap, over_largest


class Quadratic(SampleMap):
    """g^2 / max g^2: SmoothGrad of squares, as a map. Certifies less than `scaled`; for comparison."""

    name: ClassVar[str] = "quadratic"
    summary: ClassVar[str] = "Each cell squared, over the largest square of its sample (SmoothGrad squared)"
    source: ClassVar[str] = "Levine et al. 2019, section 2.2"
    scale: ClassVar[int] = RESOLUTION

    def run(self, cells: Cells) -> Float[Tensor, "batch cells"]:
        return over_largest(cells) ** 2
