"""What every map offers: values in [0,1] for every sample, and which samples had no ranking."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from worker.core.registry import Entry

Cells = Float[Tensor, "batch cells"]


class Mapped(NamedTuple):
    """Votes per sample and cell; `degenerate` marks samples without a ranking, whose votes are all zero."""

    votes: Int[Tensor, "batch cells"] | Bool[Tensor, "batch cells"]
    degenerate: Bool[Tensor, " batch"]


class SampleMap(Entry):
    """One map per sample, with values in [0,1] as whole votes out of one, so that counts are exact."""

    @final
    def __call__(self, cells: Cells) -> Mapped:
        """Votes of every sample. Constant or non-finite samples are degenerate: they count as all-zero votes."""
        finite = torch.isfinite(cells).all(dim=1)
        degenerate = ~finite | (cells.amax(dim=1) == cells.amin(dim=1))
        safe = torch.where(degenerate[:, None], torch.zeros_like(cells), cells)
        return Mapped(self.run(safe) & ~degenerate[:, None], degenerate)

    @abstractmethod
    def run(self, cells: Cells) -> Bool[Tensor, "batch cells"]:
        """The votes of samples that have a ranking; rows of degenerate samples may hold anything."""
