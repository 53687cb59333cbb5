"""The sparsified map: one on the largest cells, zero elsewhere."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool
from pydantic import Field
from torch import Tensor

from worker.contract.spec import Frozen
from worker.core.maps.base import Cells, SampleMap


class Params(Frozen):
    """tau: the share of the cells that are set to one."""

    tau: float = Field(gt=0.0, lt=1.0)


class Sparsified(SampleMap):
    """One on exactly ceil(tau * m) cells: the largest, and among equals those that come first in the grid."""

    name: ClassVar[str] = "sparsified"
    summary: ClassVar[str] = "One on the ceil(tau * cells) largest cells, zero elsewhere; among equals the first"
    source: ClassVar[str] = "Levine et al. 2019, equation 2.4"
    Params: ClassVar[type[Frozen]] = Params

    def run(self, cells: Cells) -> Bool[Tensor, "batch cells"]:
        kept = math.ceil(self.params.tau * cells.shape[1])
        threshold = torch.topk(cells, kept, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
        above, level = cells > threshold, cells == threshold
        wanted = kept - above.sum(dim=1, keepdim=True)
        if bool((level.sum(dim=1, keepdim=True) > wanted).any()):
            level &= level.cumsum(dim=1) <= wanted
        return above | level
