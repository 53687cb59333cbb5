"""Grad-CAM++."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import nn

from worker.contract.spec import Frozen
from worker.core.attributions.base import Attributed, Attribution, Images
from worker.core.attributions.layers import LayerParams, enlarge, look


class GradCamPlusPlus(Attribution):
    """Grad-CAM with the positive gradients of each map weighted so that several small regions count like a large one.

    Promises nothing itself. With g the gradient of the target's logit S at place (i, j) of map A, the weight of the
    map is the sum over places of alpha * max(g, 0), alpha = g^2 / (2 g^2 + g^3 sum(A)): the paper's closed form for
    Y = exp(S). The factor exp(S), common to all weights of an image, is left out: it would overflow and changes no
    ranking. Meant for layers after a ReLU; where sum(A) is negative the weights can be of either sign.
    Raises: InvalidSpec for a layer that does not exist; UnsupportedAttribution for one without maps or influence.
    Source: Chattopadhay et al. 2018, section 3 (methodology).
    """

    name: ClassVar[str] = "grad_cam_plus_plus"
    summary: ClassVar[str] = "Grad-CAM with each place's positive gradient weighted by its second and third derivatives"
    source: ClassVar[str] = "Chattopadhay et al. 2018, closed form for the exponential score"
    Params: ClassVar[type[Frozen]] = LayerParams

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        seen = look(model, images, target, self.params.layer)
        positive = seen.gradient.relu()
        # g^2 cancels, and with it the division of zero by zero where g is zero.
        alpha = 1.0 / (2.0 + positive * seen.maps.sum(dim=(2, 3), keepdim=True))
        weights = (alpha * positive).sum(dim=(2, 3), keepdim=True)
        return Attributed(enlarge((weights * seen.maps).sum(dim=1).relu(), images), seen.logits)
