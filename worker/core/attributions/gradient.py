"""The gradient of the class score."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from worker.contract.errors import UnsupportedAttribution
from worker.core.attributions.base import Attributed, Attribution, Images, score


class Gradient(Attribution):
    """The gradient of the target's logit with respect to the image, in [0,1] pixel units."""

    name: ClassVar[str] = "gradient"
    summary: ClassVar[str] = "Gradient of the target class's logit with respect to every element"
    source: ClassVar[str] = "Simonyan et al. 2014"

    def run(self, model: nn.Module, images: Images, target: int | None) -> Attributed:
        images = images.detach().requires_grad_(True)
        logits = model(images)
        # Images do not influence one another in evaluation mode, so the gradient of the sum holds each image's own.
        if not logits.requires_grad:
            raise UnsupportedAttribution("The model's output does not depend on the image in a differentiable way.")
        (values,) = torch.autograd.grad(score(logits, target).sum(), images)
        return Attributed(values, logits.detach())
