"""What every map offers: values in [0,1] for every sample, and which samples had no ranking."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from worker.core.registry import Entry

Cells = Float[Tensor, "batch cells"]


# Real values are rounded down to whole votes out of this many; the intervals allow for what was cut off.
RESOLUTION = 2**20


class Mapped(NamedTuple):
    """Votes per sample and cell; `degenerate` marks samples without a ranking, whose votes are all zero."""

    votes: Int[Tensor, "batch cells"] | Bool[Tensor, "batch cells"]
    degenerate: Bool[Tensor, " batch"]


class SampleMap(Entry):
    """One map per sample, with values in [0,1] as whole votes out of `scale`, so that counts are exact.

    `scale` is 1 for maps of zeros and ones, which lose nothing, and RESOLUTION for maps of real values, where a vote
    is the value times RESOLUTION, rounded down.
    """

    scale: ClassVar[int] = 1

    @final
    def __call__(self, cells: Cells) -> Mapped:
        """Votes of every sample. Constant or non-finite samples are degenerate: they count as all-zero votes."""
        # A cell that is not finite shows in one of the extremes.
        largest, least = cells.amax(dim=1), cells.amin(dim=1)
        degenerate = ~torch.isfinite(largest) | ~torch.isfinite(least) | (largest == least)
        safe = torch.where(degenerate[:, None], torch.zeros_like(cells), cells)
        values = self.run(safe)
        # In double precision a float32 value times 2^20 is exact, so that the floor is that of the value itself.
        votes = values if self.scale == 1 else (values.double() * self.scale).floor().to(torch.int64)
        return Mapped(votes * ~degenerate[:, None], degenerate)

    @abstractmethod
    def run(self, cells: Cells) -> Float[Tensor, "batch cells"] | Bool[Tensor, "batch cells"]:
        """The values in [0,1] of samples that have a ranking (zeros and ones as booleans where `scale` is 1).

        Rows of degenerate samples are all zero here and may become anything.
        """


def over_largest(cells: Cells) -> Float[Tensor, "batch cells"]:
    """Each cell over the largest of its sample: in double precision, so that no magnitude overflows or is lost."""
    values = cells.double()
    return values / values.amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
