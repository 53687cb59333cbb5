"""The images that stand for "nothing is there": what integrated gradients start from and occlusion paints."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field

from worker.core.attributions.base import Images

# A number is that level in every element, in [0,1] pixel units, before the model's own normalisation.
Baseline = Literal["zero", "mean-grey"] | Annotated[float, Field(ge=0.0, le=1.0)]


def baseline(kind: Baseline, images: Images) -> Images:
    """An image of one level for each image: 0, the mean of all elements of the image itself, or the given number."""
    if kind == "zero":
        return torch.zeros_like(images)
    if kind == "mean-grey":
        return images.mean(dim=(1, 2, 3), keepdim=True).expand_as(images)
    return torch.full_like(images, kind)
