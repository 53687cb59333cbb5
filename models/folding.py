"""Batch norm folded into the convolution before it: the same function in fewer passes over memory."""

from __future__ import annotations

from collections import Counter

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold(network: nn.Module) -> None:
    """Put every batch norm that only ever follows one convolution into that convolution's weights, in place.

    The network, in eval mode, gives the same logits up to rounding. The batch norm becomes an identity of the same
    name, so that hooks find what they found before. A network that cannot be traced is left as it is: only slower.
    """
    try:
        nodes = fx.Tracer().trace(network).nodes
    except (TypeError, ValueError, RuntimeError, AttributeError):
        return
    modules = dict(network.named_modules())
    calls = Counter(str(node.target) for node in nodes if node.op == "call_module")
    for node in nodes:
        before = node.args[0] if node.op == "call_module" else None
        if not (isinstance(before, fx.Node) and before.op == "call_module" and len(before.users) == 1):
            continue
        first, second = str(before.target), str(node.target)
        convolution, norm = modules[first], modules[second]
        once = calls[first] == calls[second] == 1
        if once and isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            network.set_submodule(first, fuse_conv_bn_eval(convolution, norm))
            network.set_submodule(second, nn.Identity().eval())


def lay_out(network: nn.Module) -> None:
    """Keep the channels of a pixel side by side, in place."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
