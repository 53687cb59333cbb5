"""The relaxed sparsified map: values between the sparsified zeros and ones."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from worker.contract.spec import Frozen
from worker.core.maps.base import RESOLUTION, Cells, SampleMap


class Params(Frozen):
    """tau: the share of the cells that is not set to zero. gamma: the share that is set to one; 0: the largest only."""

    tau: float = Field(gt=0.0, le=1.0)
    gamma: float = Field(ge=0.0, lt=1.0, default=0.01)

    @model_validator(mode="after")
    def _ordered(self) -> Params:
        if self.gamma > self.tau:
            raise ValueError("gamma must not exceed tau")
        return self


class Relaxed(SampleMap):
    """With g_[i] the i-th largest of m cells: 1 where g >= g_[ceil(gamma m)], 0 where g < g_[ceil(tau m)], and
    g / g_[ceil(gamma m)] between.

    Equal cells get equal values, so with ties more cells than the shares may be one or not zero. Cells that are zero
    themselves stay zero, also where g_[ceil(gamma m)] is zero. Unlike the sparsified map it can be differentiated.
    """

    name: ClassVar[str] = "relaxed"
    summary: ClassVar[str] = (
        "One on the top gamma share of the cells, zero below the top tau share, in proportion between"
    )
    source: ClassVar[str] = "Levine et al. 2019, equation 2.5"
    Params: ClassVar[type[Frozen]] = Params
    scale: ClassVar[int] = RESOLUTION

    def run(self, cells: Cells) -> Float[Tensor, "batch cells"]:
        size = cells.shape[1]
        kept, clipped = math.ceil(self.params.tau * size), max(1, math.ceil(self.params.gamma * size))
        largest = torch.topk(cells, kept, dim=1).values
        least, full = largest[:, kept - 1 :], largest[:, clipped - 1 : clipped]
        share = torch.where(full > 0, cells.double() / full.double(), (cells > 0).double()).clamp(max=1.0)
        return torch.where(cells < least, 0.0, share)
