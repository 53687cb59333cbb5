"""Grad-CAM."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import nn

from worker.contract.spec import Frozen
from worker.core.attributions.base import Attributed, Attribution, Images
from worker.core.attributions.layers import LayerParams, enlarge, look


class GradCam(Attribution):
    """The positive part of a layer's maps, summed with weight the mean gradient of the target's logit over each map.

    Promises nothing itself. One value per pixel: the layer's maps are coarser than the image and are enlarged
    bilinearly, so neighbouring pixels share their value's sources. Where no map speaks for the class it is zero
    everywhere, which is a sample without ranking.
    Raises: InvalidSpec for a layer that does not exist; UnsupportedAttribution for one without maps or influence.
    Source: Selvaraju et al. 2017, equations 1 and 2.
    """

    name: ClassVar[str] = "grad_cam"
    summary: ClassVar[str] = "A layer's maps weighted by their mean gradient, positive part, enlarged to the image"
    source: ClassVar[str] = "Selvaraju et al. 2017, equations 1 and 2"
    Params: ClassVar[type[Frozen]] = LayerParams

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        seen = look(model, images, target, self.params.layer)
        weights = seen.gradient.mean(dim=(2, 3), keepdim=True)
        return Attributed(enlarge((weights * seen.maps).sum(dim=1).relu(), images), seen.logits)
