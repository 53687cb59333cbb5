"""Occlusion by a sliding window."""

from __future__ import annotations

from itertools import product
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import nn

from worker.contract.errors import InvalidSpec
from worker.contract.spec import Frozen
from worker.core.attributions.base import Attributed, Attribution, Images, explained, pick
from worker.core.attributions.baseline import Baseline, baseline


class Params(Frozen):
    """window, stride: in pixels; null is an eighth of the shorter side, rounded up, and a stride of one window.
    fill: "zero", "mean-grey" (each image's own mean) or a level in [0,1]."""

    window: int | None = Field(default=None, ge=1, le=4096, strict=True)
    stride: int | None = Field(default=None, ge=1, le=4096, strict=True)
    fill: Baseline = "mean-grey"

    @model_validator(mode="after")
    def _no_gaps(self) -> Params:
        if self.window is not None and self.stride is not None and self.stride > self.window:
            raise ValueError("a stride larger than the window leaves pixels that are never covered")
        return self


class Occlusion(Attribution):
    """How much the target's logit falls when a window of the image is painted over: per pixel, the mean fall over
    the windows that cover it.

    Promises nothing itself. Windows start at 0, stride, 2 stride, ... until the image is covered; the last of a row
    or column is cut off at the border. One forward pass of the batch per window, and no more than that in memory.
    Pixels under the same windows have equal values. With target per sample, the class is that of the whole image.
    Units: logits; window and fill apply to [0,1] pixels (noise included) before the model's own normalisation.
    Raises: InvalidSpec if the window is larger than the image or smaller than the stride.
    Source: Zeiler & Fergus 2014, section 4.2 (there with the probability; here with the logit, which does not
        saturate).
    """

    name: ClassVar[str] = "occlusion"
    summary: ClassVar[str] = "Fall of the target class's logit when a sliding window is painted over"
    source: ClassVar[str] = "Zeiler & Fergus 2014, section 4.2"
    Params: ClassVar[type[Frozen]] = Params

    @torch.no_grad()
    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        batch, _, height, width = images.shape
        window = self.params.window or -(-min(height, width) // 8)
        stride = self.params.stride or window
        if window > min(height, width) or stride > window:
            raise InvalidSpec(
                f"occlusion with window {window} and stride {stride} does not fit images of {height} x {width} pixels: "
                "the window must fit into the image, and the stride into the window.",
                pointer="/spec/attribution/window",
            )
        paint = baseline(self.params.fill, images)
        logits = model(images)
        classes = explained(logits, target)
        whole = pick(logits, classes)
        falls, covers = images.new_zeros((batch, height, width)), images.new_zeros((height, width))
        for top, left in product(_starts(height, window, stride), _starts(width, window, stride)):
            place = (..., slice(top, top + window), slice(left, left + window))
            occluded = images.clone()
            occluded[place] = paint[place]
            falls[place] += (whole - pick(model(occluded), classes))[:, None, None]
            covers[place] += 1.0
        return Attributed(falls / covers, logits)


def _starts(length: int, window: int, stride: int) -> range:
    """0, stride, 2 stride, ... up to the first window that reaches the end."""
    return range(0, length - window + stride, stride)
