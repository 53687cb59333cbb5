"""What every attribution offers: one map per image of a batch, for one target class."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from worker.contract.errors import UnsupportedAttribution
from worker.core.registry import Entry

Images = Float[Tensor, "batch channels height width"]
Classes = Int[Tensor, " batch"]


class Attributed(NamedTuple):
    """Signed attribution, per element or per pixel, and the logits of the images themselves."""

    values: Float[Tensor, "batch *cells"]
    logits: Float[Tensor, "batch classes"]


class Attribution(Entry):
    """A per-image attribution. `target` None means: the class of the greatest logit of each noisy image itself.

    Methods with hooks put them on the model while they run, so one model serves one call at a time.
    """

    @final
    def __call__(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        """Run the method and check its shape: [batch, channels, height, width] or [batch, height, width].

        `draws` is the randomness of methods that have some: fresh for every sample, and a function of (seed, block).
        """
        attributed = self.run(model, images, target, draws)
        batch, _, height, width = images.shape
        if attributed.values.shape not in (images.shape, (batch, height, width)):
            raise UnsupportedAttribution(
                f"{self.name} gave a map of shape {tuple(attributed.values.shape)} for images {tuple(images.shape)}; "
                "choose another attribution for this model."
            )
        return attributed

    @abstractmethod
    def run(self, model: nn.Module, images: Images, target: int | None, draws: np.random.Generator) -> Attributed:
        """Compute the attribution of every image independently of the others in the batch."""


def score(logits: Float[Tensor, "batch classes"], target: int | None) -> Float[Tensor, " batch"]:
    """The logit that is explained: of class `target`, or of each image's own greatest logit."""
    return logits.amax(dim=1) if target is None else logits[:, target]


def explained(logits: Float[Tensor, "batch classes"], target: int | None) -> Classes:
    """The class that is explained, per image: for methods that change the image but keep to its first class."""
    return logits.argmax(dim=1) if target is None else torch.full_like(logits[:, 0], target, dtype=torch.int64)


def pick(scores: Float[Tensor, "batch classes"], classes: Classes) -> Float[Tensor, " batch"]:
    """Each image's score for its own class."""
    return scores.gather(1, classes[:, None])[:, 0]


def differentiable(model: nn.Module, images: Images) -> Float[Tensor, "batch classes"]:
    """The logits of `images`, which must require gradients. Raises UnsupportedAttribution if the logits have none."""
    logits: Tensor = model(images)
    if not logits.requires_grad:
        raise UnsupportedAttribution("The model's output does not depend on the image in a differentiable way.")
    return logits


def differentiate(model: nn.Module, images: Images, target: int | None) -> Attributed:
    """The gradient of the explained logit with respect to every element, through whatever hooks the model carries."""
    images = images.detach().requires_grad_(True)
    logits = differentiable(model, images)
    # Images do not influence one another in evaluation mode, so the gradient of the sum holds each image's own.
    (values,) = torch.autograd.grad(score(logits, target).sum(), images)
    return Attributed(values, logits.detach())
