"""Explanations that explain nothing, which a measure of stability alone cannot tell from good ones."""

from __future__ import annotations

from copy import deepcopy
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from worker.core.attributions.base import Attributed, Attribution, Images
from worker.core.attributions.rise import Rise
from worker.core.registry import NoParams

# What a control's name ends with: it is the attribution of the rest of the name, changed in one thing.
RANDOM_WEIGHTS, FIXED_MASKS = " on random weights", " with fixed masks"


class FixedPositions(Attribution):
    """The same ranking of the pixels for every image, whatever it shows: the further down, the more salient."""

    name: ClassVar[str] = "fixed_positions"
    summary: ClassVar[str] = "Control: one ranking for every image"
    source: ClassVar[str] = "Control"

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        batch, _, height, width = images.shape
        ranking = torch.arange(height * width, dtype=images.dtype).reshape(1, height, width)
        return Attributed(ranking.repeat(batch, 1, 1), images.new_zeros((batch, 1)))


class FixedMasks(Rise):
    """RISE with one set of masks for all samples, whose accidents then look like a stable explanation."""

    name: ClassVar[str] = "rise_fixed_masks"
    summary: ClassVar[str] = "Control: RISE with the same masks for every sample"
    source: ClassVar[str] = "Control"

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        return super().run(model, images, target, np.random.default_rng(0))

    def draw(self, images: Images, draws: np.random.Generator) -> Tensor:
        return super().draw(images[:1], draws).expand(len(images), -1, -1)


def untrained(model: nn.Module, seed: int) -> nn.Module:
    """The same layers with weights drawn anew, as torch draws them for a new network."""
    copy = deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in copy.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                part.reset_parameters()
    return copy.requires_grad_(False).eval()


CONTROLS: dict[str, Attribution] = {
    "fixed positions": FixedPositions(NoParams()),
    f"rise{FIXED_MASKS}": FixedMasks(Rise.Params()),
}


def is_control(case: str) -> bool:
    return case in CONTROLS or case.endswith(RANDOM_WEIGHTS)
