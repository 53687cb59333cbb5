"""The label constraint: whether the worst move of a first-order bound leaves the class as it is, to first order."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def label_kept(
    model: nn.Module,
    image: Float[Tensor, "channels height width"],
    target: int,
    move: Float[Tensor, "channels height width"],
) -> float:
    """The largest eps at which eps * move or -eps * move leaves `target` ahead of every other class, to first order.

    The bound is the same with and without the constraint that the label stays: up to this eps its worst move satisfies
    the constraint; beyond, it still bounds but may not be reached. Infinite if one of the two moves closes no gap;
    zero if the target is not ahead at the image itself.
    Source: Wang and Kong 2023, section 4.3. There the constraint is the sum of the attributions and so needs
    completeness; the logits' own derivative is the same sum where that holds. All other classes count, not the second
    alone: with one rival, one of the two moves always satisfies the constraint.
    """
    logits, slopes = torch.autograd.functional.jvp(model, image[None], move[None])  # type: ignore[no-untyped-call]  # torch's stub
    others = torch.arange(logits.shape[1], device=logits.device) != target
    gaps = (logits[0, target] - logits[0])[others].double()
    closing = (slopes[0] - slopes[0, target])[others].double()
    return max(_first_closed(gaps, closing), _first_closed(gaps, -closing))


def _first_closed(gaps: Float[Tensor, " rivals"], closing: Float[Tensor, " rivals"]) -> float:
    """The length at which the first of the gaps is closed, each closing at its own rate."""
    if bool((gaps <= 0).any()):
        return 0.0
    lengths = gaps[closing > 0] / closing[closing > 0]
    return float(lengths.min()) if len(lengths) else math.inf
