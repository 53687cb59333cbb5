"""Activations of one layer and the gradient of the class score there: what Grad-CAM and Grad-CAM++ share."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from worker.contract.errors import InvalidSpec, UnsupportedAttribution
from worker.contract.spec import Frozen
from worker.core.attributions.base import Images, differentiable, score
from worker.core.attributions.hooks import watching

Maps = Float[Tensor, "batch features rows columns"]


class LayerParams(Frozen):
    """layer: a module's name inside the network (as torch names it, e.g. "features.12"); null: the model's own choice,
    else the last module whose output is a stack of maps with more than one place."""

    layer: str | None = Field(default=None, min_length=1, max_length=256)


class Seen(NamedTuple):
    """A layer's output, the gradient of the explained logit with respect to it, and the logits."""

    maps: Maps
    gradient: Maps
    logits: Float[Tensor, "batch classes"]


def look(model: nn.Module, images: Images, target: int | None, layer: str | None) -> Seen:
    """One forward pass, and a backward pass down to the layer.

    Raises:
        InvalidSpec: the network has no module of this name.
        UnsupportedAttribution: the layer gives no maps, the logits do not depend on it, or there is no such layer.
    """
    module = _chosen(model, images, layer)
    outputs: list[Tensor] = []

    def keep(_: nn.Module, output: Any) -> Tensor | None:
        if not (isinstance(output, Tensor) and output.ndim == 4):
            return None
        outputs.append(output)
        # The network goes on with a copy, so that a later operation in place cannot change what was kept.
        return output.clone()

    with watching([module], keep):
        logits = differentiable(model, images.detach().requires_grad_(True))
    if not outputs:
        raise _unfit("gives no maps (an output of shape [batch, features, rows, columns])")
    # A module that is used several times counts with its last use.
    (gradient,) = torch.autograd.grad(score(logits, target).sum(), outputs[-1], allow_unused=True)
    if gradient is None:
        raise _unfit("has no influence on the logits")
    # Under mixed precision the layer's numbers are short; sums over its places are not to be.
    return Seen(outputs[-1].detach().to(images.dtype), gradient.to(images.dtype), logits.detach())


def enlarge(maps: Float[Tensor, "batch rows columns"], images: Images) -> Float[Tensor, "batch height width"]:
    """The maps at the size of the images, bilinearly, pixel centres in place."""
    size = (images.shape[2], images.shape[3])
    return functional.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def _chosen(model: nn.Module, images: Images, layer: str | None) -> nn.Module:
    # The names a user knows are those inside the wrapper that normalises pixels.
    network: nn.Module = getattr(model, "network", model)
    name: str | None = layer if layer is not None else getattr(model, "cam_layer", None)
    if name is None:
        return _last(model, images)
    found: nn.Module | None = dict(network.named_modules()).get(name)
    if found is None:
        raise InvalidSpec(
            f"The network has no module called {name!r}. Name one as torch does, or leave the layer out.",
            pointer="/spec/attribution/layer",
        )
    return found


@torch.no_grad()
def _last(model: nn.Module, images: Images) -> nn.Module:
    """The module that is the last to finish with maps of more than one place."""
    finished: list[nn.Module] = []

    def note(module: nn.Module, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
            finished.append(module)

    with watching(model.modules(), note):
        model(images[:1])
    if not finished:
        raise _unfit("with maps does not exist: no module of the network gives [batch, features, rows, columns]")
    return finished[-1]


def _unfit(what: str) -> UnsupportedAttribution:
    return UnsupportedAttribution(
        f"The layer {what}. Name another layer, or choose another attribution.", pointer="/spec/attribution/layer"
    )
