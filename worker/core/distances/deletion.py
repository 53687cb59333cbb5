"""Deletion and insertion: what the pixels that a map calls salient are worth to the model."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn

from worker.contract.errors import InvalidSpec

Image = Float[Tensor, "channels height width"]
Order = Int[ndarray, " pixels"]
Curve = Float[ndarray, " points"]


def ranked(saliency: Float[ndarray, "height width"]) -> Order:
    """The pixels from most to least salient; among equals those first that come first in the image."""
    return np.argsort(-saliency, axis=None, kind="stable")


def certified_first(radii: Float[ndarray, "height width"], saliency: Float[ndarray, "height width"]) -> Order:
    """The pixels by the radius up to which they are certified salient, and where that is equal by the map.

    The deletion curve of this order, read at the number of pixels certified at rho, is certified deletion: what the
    model loses with the pixels that no perturbation within rho can take out of the explanation.
    """
    return np.lexsort((-saliency.ravel(), -radii.ravel()))


def deletion(
    model: nn.Module, image: Image, target: int, order: Order, blank: Image, steps: int = 32, batch: int = 64
) -> Curve:
    """The probability of the target after j/steps of the pixels, in this order, have become those of `blank`;
    j = 0..steps. A faithful order makes it fall at once.

    Promises nothing, and images with deleted pixels are unlike those the model knows.
    Raises: InvalidSpec if `order` does not hold every pixel once, or steps is not in 1..pixels.
    Source: Petsiuk et al. 2018, section 3.3, algorithm 1.
    """
    pixels = image[0].numel()
    if not 1 <= steps <= pixels or not np.array_equal(np.sort(order), np.arange(pixels)):
        raise InvalidSpec(f"Give an order that holds each of the {pixels} pixels once, and 1 to {pixels} steps.")
    # When each pixel goes: the number of the first image of the curve that lacks it.
    gone = np.empty(pixels, dtype=np.int64)
    gone[order] = 1 + np.arange(pixels) * steps // pixels
    leaves = torch.from_numpy(gone).to(image.device).reshape(image.shape[1:])
    points = torch.arange(steps + 1, device=image.device)
    return np.concatenate(
        [_probability(model, image, target, leaves, blank, part) for part in torch.split(points, batch)]
    )


def insertion(
    model: nn.Module, image: Image, target: int, order: Order, blank: Image, steps: int = 32, batch: int = 64
) -> Curve:
    """The probability of the target as the pixels of the image, in this order, come into `blank`: deletion with the
    roles of the two images exchanged. A faithful order makes it rise at once."""
    return deletion(model, blank, target, order, image, steps, batch)


def area(curve: Curve) -> float:
    """The area under the curve over the share of pixels, by the trapezoid rule, in [0,1]."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))


@torch.no_grad()
def _probability(
    model: nn.Module,
    image: Image,
    target: int,
    leaves: Int[Tensor, "height width"],
    blank: Image,
    points: Int[Tensor, " part"],
) -> Float[ndarray, " part"]:
    deleted = leaves <= points[:, None, None]
    logits = model(torch.where(deleted[:, None], blank, image))
    return np.asarray(torch.softmax(logits.double(), dim=1)[:, target].cpu().numpy())
