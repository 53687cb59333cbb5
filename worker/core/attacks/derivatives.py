"""Attributions whose own derivative can be taken: what attacks climb."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from worker.contract.errors import UnsupportedAttribution
from worker.core.attributions.base import Attribution, Classes, Images, differentiable, pick
from worker.core.attributions.baseline import baseline
from worker.core.attributions.gradient import Gradient
from worker.core.attributions.input_x_gradient import InputXGradient
from worker.core.attributions.integrated_gradients import IntegratedGradients

# The attribution of each image for its own class, with a graph back to the images.
Derivative = Callable[[nn.Module, Images, Classes], Images]


def derivative(attribution: Attribution) -> Derivative:
    """The differentiable form of an attribution. Raises UnsupportedAttribution for those that have none here."""
    if isinstance(attribution, Gradient):
        return gradient
    if isinstance(attribution, InputXGradient):
        return lambda model, images, classes: images * gradient(model, images, classes)
    if isinstance(attribution, IntegratedGradients):
        return _integrated(attribution)
    raise UnsupportedAttribution(
        f"Attacks that follow a gradient know the derivatives of gradient, input_x_gradient and integrated_gradients, "
        f"not those of {attribution.name}; use the attack random_search."
    )


def gradient(model: nn.Module, images: Images, classes: Classes) -> Images:
    """The gradient of each image's class's logit; images must require gradients."""
    chosen = pick(differentiable(model, images), classes)
    (values,) = torch.autograd.grad(chosen.sum(), images, create_graph=True)
    return values


def _integrated(attribution: IntegratedGradients) -> Derivative:
    steps = attribution.params.steps

    def integrated(model: nn.Module, images: Images, classes: Classes) -> Images:
        start = baseline(attribution.params.baseline, images)
        total = torch.zeros_like(images)
        for step in range(steps):
            total = total + gradient(model, torch.lerp(start, images, (step + 0.5) / steps), classes)
        mean: Images = (images - start) * total / steps
        return mean

    return integrated
