"""Integrated gradients along the straight line from a baseline."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import nn

from worker.contract.spec import Frozen
from worker.core.attributions.base import Attributed, Attribution, Images, differentiable, explained, pick
from worker.core.attributions.baseline import Baseline, baseline


class Params(Frozen):
    """steps: gradients per sample. baseline: "zero", "mean-grey" (each image's own mean) or a level in [0,1]."""

    steps: int = Field(default=16, ge=1, le=1024, strict=True)
    baseline: Baseline = "zero"


class IntegratedGradients(Attribution):
    """(x - b) times the mean gradient of the target's logit on the line from the baseline b to the image x.

    Promises nothing itself. The integral is taken by the midpoint rule: gradients at b + (j + 1/2)/steps * (x - b)
    for j = 0..steps-1. With many steps the elements sum to logit(x) - logit(b) (completeness); with few they do so
    only approximately, and which sum was reached is not reported. With target per sample, the class is that of x.
    Units: [0,1] pixels before the model's own normalisation, for image and baseline alike.
    Raises: UnsupportedAttribution if the logits do not depend on the image differentiably.
    Source: Sundararajan et al. 2017, equation 1 and proposition 1.
    """

    name: ClassVar[str] = "integrated_gradients"
    summary: ClassVar[str] = "Mean gradient on the line from a baseline to the image, times their difference"
    source: ClassVar[str] = "Sundararajan et al. 2017, equation 1; midpoint rule"
    Params: ClassVar[type[Frozen]] = Params

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        start = baseline(self.params.baseline, images)
        with torch.no_grad():
            logits = model(images)
        classes = explained(logits, target)
        total = torch.zeros_like(images)
        for step in range(self.params.steps):
            share = (step + 0.5) / self.params.steps
            point = torch.lerp(start, images, share).detach().requires_grad_(True)
            chosen = pick(differentiable(model, point), classes)
            total += torch.autograd.grad(chosen.sum(), point)[0]
        return Attributed((images - start) * total / self.params.steps, logits)
