"""Layer-wise relevance propagation with the epsilon rule."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.graph import Node

from worker.contract.errors import UnsupportedAttribution
from worker.contract.spec import Frozen
from worker.core.attributions.base import Attributed, Attribution, Images, differentiable, score
from worker.core.attributions.hooks import computed, of_kind, operation, watching

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# Autograd's names of operations whose output is the slope times the input: relevance follows the gradient.
PASSED = {"Relu", "LeakyRelu", "MaxPool2DWithIndices", "AdaptiveMaxPool2D", "AvgPool2D", "AdaptiveAvgPool2D", "Mean"}
PASSED |= {"Sum", "Add", "Sub", "Neg", "Cat", "Stack", "Slice", "Select", "Split", "SplitWithSizes", "Unbind", "Index"}
PASSED |= {"View", "UnsafeView", "ReshapeAlias", "Alias", "Squeeze", "Unsqueeze", "Permute", "Transpose", "T", "Clone"}
PASSED |= {
    "AsStrided",
    "Roll",
    "Flip",
    "Repeat",
    "Expand",
    "ToCopy",
    "ConstantPadNd",
    "ReflectionPad2D",
    "ReplicationPad2D",
}
# Parameters, where they ask for gradients.
PASSED |= {"AccumulateGrad"}


class Params(Frozen):
    """epsilon: what stabilises the division, in units of the layers' own outputs (before their activation)."""

    epsilon: float = Field(default=0.01, gt=0.0, le=1e6)


class LrpEpsilon(Attribution):
    """The target's logit handed back layer by layer, each input getting its share x_i w_ij / (z_j + epsilon sign z_j).

    Promises nothing itself. The rule holds at every convolution, linear layer and batch norm (one that the model's
    loader folded into its convolution counts with it); biases and epsilon absorb their part. ReLUs pass relevance on,
    max pooling gives all to the winner, sums, concatenations and averages divide by the parts' values, the model's
    normalisation of pixels likewise, all without epsilon. The relevance of the [0,1] pixels is returned, so black
    elements get zero.

    It is computed as the image times a modified gradient: relevance R = x*m at every point, and the rule above says
    that m is the ordinary gradient, multiplied by |z|/(|z| + epsilon) at the output z of every weighted layer.
    With epsilon -> 0 this is input_x_gradient.

    Raises: UnsupportedAttribution, with the operation's name, for a network that computes anything else (sigmoid,
        GELU, attention, layer norm, gates), or weighted layers that are not modules.
    Source: Bach et al. 2015, equation 58; Ancona et al. 2018, proposition 1 (modified gradient).
    """

    name: ClassVar[str] = "lrp_epsilon"
    summary: ClassVar[str] = "The target class's logit handed back layer by layer in proportion (epsilon rule)"
    source: ClassVar[str] = "Bach et al. 2015, equation 58; Ancona et al. 2018, proposition 1"
    Params: ClassVar[type[Frozen]] = Params

    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        images = images.detach().requires_grad_(True)
        epsilon, ruled = self.params.epsilon, set()

        def rule(_: nn.Module, output: Tensor) -> None:
            if output.requires_grad:
                # A copy, because an activation in place may overwrite the output.
                size = output.detach().abs()
                output.register_hook(lambda gradient: gradient * (size / (size + epsilon)))  # type: ignore[no-untyped-call]
                ruled.add(output.grad_fn)

        with watching(of_kind(model, *LAYERS), rule):
            logits = differentiable(model, images)
        unknown = sorted({operation(node) for node in computed(logits) - ruled if not _passes(node)})
        if unknown:
            raise UnsupportedAttribution(
                f"lrp_epsilon has no rule for {', '.join(unknown)}, which this network computes (layers with weights "
                "must be torch's own modules). Choose input_x_gradient, or another model.",
                pointer="/spec/attribution/name",
            )
        (modified,) = torch.autograd.grad(score(logits, target).sum(), images)
        return Attributed((images * modified).detach(), logits.detach())


def _passes(node: Node) -> bool:
    """Products and quotients pass as long as only one factor, and no divisor, depends on the image."""
    name = operation(node)
    dependent = [following is not None for following, _ in node.next_functions]
    if name == "Mul":
        return sum(dependent) == 1
    if name == "Div":
        return not any(dependent[1:])
    return name in PASSED
