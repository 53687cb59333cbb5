"""The gradient of the class score."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import nn

from worker.core.attributions.base import Attributed, Attribution, Images, differentiate


class Gradient(Attribution):
    """The gradient of the target's logit with respect to the image, in [0,1] pixel units."""

    name: ClassVar[str] = "gradient"
    summary: ClassVar[str] = "Gradient of the target class's logit with respect to every element"
    source: ClassVar[str] = "Simonyan et al. 2014"

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        return differentiate(model, images, target)
