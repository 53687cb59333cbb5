"""Torchvision's classification networks, built without weights; nothing is ever downloaded."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

import torch
from torch import nn

from worker.contract.errors import ModelUnusable

# PyPI's torchvision is built for CUDA. Beside a CPU build of torch its compiled operators do not load, and its import
# then fails, because it describes shapes for these two operators by name. Their schemas (torchvision's
# ops/nms.cpp and ops/quantized) are all that the import misses; no classification network calls an operator.
_SCHEMAS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

# Both warn unless told whether to draw initial weights, which the card's weights replace anyway.
_OPTIONS = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}


@cache
def _models() -> ModuleType:
    """`torchvision.models`, imported on first use: it takes a second, and Surety's own networks need none of it."""
    try:
        return import_module("torchvision.models")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for name, schema in _SCHEMAS.items():
        torch.library.define(name, schema)
    return import_module("torchvision.models")


def architectures() -> list[str]:
    """The names of torchvision's classification networks, sorted."""
    models = _models()
    names: list[str] = models.list_models(module=models)
    return names


def build(architecture: str, classes: int, channels: int) -> nn.Module:
    """A torchvision classification network with `classes` outputs and `channels` input channels, untrained.

    For channels other than 3 the first convolution is replaced by one that takes them and is otherwise the same.
    Googlenet and Inception keep their auxiliary heads, as the published weights have them; in eval mode these are not
    computed. Torchvision's own rescaling of Inception's input is off: give mean and std of 0.5 in the card instead.

    Raises:
        ModelUnusable: torchvision has no classification network of this name.
    """
    if architecture not in architectures():
        raise ModelUnusable(
            f"Torchvision has no classification network '{architecture}'. Use one of {', '.join(architectures())}."
        )
    network: nn.Module = _models().get_model(
        architecture, weights=None, num_classes=classes, **_OPTIONS.get(architecture, {})
    )
    if channels != 3:
        _replace_first_convolution(network, channels)
    return network


def _replace_first_convolution(network: nn.Module, channels: int) -> None:
    name, first = next((name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d))
    replacement = nn.Conv2d(
        channels,
        first.out_channels,
        (first.kernel_size[0], first.kernel_size[1]),
        stride=(first.stride[0], first.stride[1]),
        padding=first.padding if isinstance(first.padding, str) else (first.padding[0], first.padding[1]),
        bias=first.bias is not None,
    )
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, replacement)
