"""Guided backpropagation."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from worker.contract.errors import UnsupportedAttribution
from worker.core.attributions.base import Attributed, Attribution, Images, differentiable, score
from worker.core.attributions.hooks import computed, of_kind, operation, watching

# Autograd's names of the activations that take a rectifier's place; the method is defined for the ReLU alone.
RECTIFIERS = {"Relu", "Threshold", "Clamp", "ClampMin", "Maximum", "Hardtanh", "LeakyRelu", "Prelu", "Rrelu"}
RECTIFIERS |= {"Elu", "Celu", "Selu", "Softplus", "Gelu", "Silu", "Mish", "Hardswish"}


class GuidedBackprop(Attribution):
    """The gradient of the target's logit, where every ReLU also stops negative gradients on the way back.

    Promises nothing itself; it is no gradient of any function of the image. Assumes that every ReLU is an nn.ReLU
    module: after the forward pass all operations that led to the logits are looked at, and a ReLU that no module
    made, or any other rectifier, is refused. A ReLU inside a compiled or custom autograd function cannot be seen.
    Other operations (sigmoid gates, pooling) pass their ordinary gradient. Modules may work in place.
    Units: logits per [0,1] pixel unit.
    Raises: UnsupportedAttribution for such a network, or one without a ReLU.
    Source: Springenberg et al. 2015, section 3.4.
    """

    name: ClassVar[str] = "guided_backprop"
    summary: ClassVar[str] = "Gradient of the target class's logit that stops at each ReLU where it is negative"
    source: ClassVar[str] = "Springenberg et al. 2015, section 3.4"

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        images = images.detach().requires_grad_(True)
        guided = []

        def guide(_: nn.Module, output: Tensor) -> None:
            if output.requires_grad:
                # The ReLU's own backward pass stops the gradient where the input was negative; this is the other half.
                output.register_hook(lambda gradient: gradient.clamp(min=0.0))  # type: ignore[no-untyped-call]
                guided.append(output.grad_fn)

        with watching(of_kind(model, nn.ReLU), guide):
            logits = differentiable(model, images)
        unseen = {operation(node) for node in computed(logits).difference(guided)} & RECTIFIERS
        if unseen:
            raise UnsupportedAttribution(
                "guided_backprop needs every activation to be an nn.ReLU module; this network also computes "
                f"{', '.join(sorted(unseen))} elsewhere. Choose gradient, or another model.",
                pointer="/spec/attribution/name",
            )
        if not guided:
            raise UnsupportedAttribution(
                "guided_backprop needs a network with ReLUs, and this one has none. Choose gradient.",
                pointer="/spec/attribution/name",
            )
        (values,) = torch.autograd.grad(score(logits, target).sum(), images)
        return Attributed(values, logits.detach())
