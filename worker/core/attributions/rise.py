"""RISE: randomised input sampling."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from worker.contract.errors import InvalidSpec
from worker.contract.spec import Frozen
from worker.core.attributions.base import Attributed, Attribution, Images, explained, pick


class Params(Frozen):
    """masks: per sample. cells: of the coarse grid, per side. p: probability that a cell is kept."""

    masks: int = Field(default=64, ge=2, le=65536, strict=True)
    cells: int = Field(default=7, ge=1, le=64, strict=True)
    p: float = Field(default=0.5, gt=0.0, lt=1.0)


class Rise(Attribution):
    """The mean of random masks, each weighted by the target's probability for the image seen through it.

    Promises nothing itself. sum_i f(x * M_i) M_i / (masks * p), f the softmax probability as in the source. A mask is
    a cells x cells grid of independent zeros and ones, enlarged bilinearly to (cells + 1) * ceil(side / cells) per
    side and cut to the image at a uniformly random shift of less than one cell. Every image of every block gets
    masks of its own: with one fixed set, the mean over samples would inherit the set's accidents, and a constant
    bias of the masks would look like a stable explanation. With target per sample, the class is that of x unmasked.
    Units: probability; masks darken [0,1] pixels (noise included) towards black, before the model's normalisation.
    Raises: InvalidSpec if the grid is finer than the image.
    Source: Petsiuk et al. 2018, equation 6 and section 3.2 (cell sizes rounded up, as in the authors' program).
    """

    name: ClassVar[str] = "rise"
    summary: ClassVar[str] = "Mean of random masks weighted by the target class's probability; fresh masks per sample"
    source: ClassVar[str] = "Petsiuk et al. 2018, equation 6"
    Params: ClassVar[type[Frozen]] = Params

    @torch.no_grad()
    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        if self.params.cells > min(images.shape[2:]):
            raise InvalidSpec(
                f"rise with {self.params.cells} cells per side is finer than images of {images.shape[2]} x "
                f"{images.shape[3]} pixels; take fewer cells.",
                pointer="/spec/attribution/cells",
            )
        logits = model(images)
        classes = explained(logits, target)
        total = images.new_zeros((images.shape[0], *images.shape[2:]))
        for _ in range(self.params.masks):
            masks = self.draw(images, draws)
            probabilities = torch.softmax(model(images * masks[:, None]), dim=1)
            total += pick(probabilities, classes)[:, None, None] * masks
        return Attributed(total / (self.params.masks * self.params.p), logits)

    def draw(self, images: Images, draws: np.random.Generator) -> Float[Tensor, "batch height width"]:
        """One mask for each image, with values in [0,1]."""
        batch, _, height, width = images.shape
        cells = self.params.cells
        tall, wide = -(-height // cells), -(-width // cells)
        kept = torch.from_numpy(draws.random((batch, 1, cells, cells)) < self.params.p).to(images)
        size = ((cells + 1) * tall, (cells + 1) * wide)
        large = functional.interpolate(kept, size=size, mode="bilinear", align_corners=False)[:, 0]
        down = torch.from_numpy(draws.integers(tall, size=(batch, 1))).to(images.device)
        right = torch.from_numpy(draws.integers(wide, size=(batch, 1))).to(images.device)
        rows = down + torch.arange(height, device=images.device)
        columns = right + torch.arange(width, device=images.device)
        image = torch.arange(batch, device=images.device)[:, None, None]
        return large[image, rows[:, :, None], columns[:, None, :]]
