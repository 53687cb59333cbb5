"""The gradient of the class score, times the image."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import nn

from worker.core.attributions.base import Attributed, Attribution, Images, differentiate


class InputXGradient(Attribution):
    """Each element of the image times the gradient of the target's logit there, in [0,1] pixel units.

    Promises nothing itself. The image is the one before the model's own normalisation, so black elements get zero;
    noise is part of the image. For a network that is linear in the pixels and has no bias, the elements sum to the
    logit.
    Raises: UnsupportedAttribution if the logits do not depend on the image differentiably.
    Source: Shrikumar et al. 2016, "Not just a black box", section 2.
    """

    name: ClassVar[str] = "input_x_gradient"
    summary: ClassVar[str] = "Each element times the gradient of the target class's logit there; black is zero"
    source: ClassVar[str] = "Shrikumar et al. 2016"

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        gradient = differentiate(model, images, target)
        return Attributed(images * gradient.values, gradient.logits)
