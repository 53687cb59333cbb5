"""What every attribution offers: one map per image of a batch, for one target class."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, final

from jaxtyping import Float
from torch import Tensor, nn

from worker.contract.errors import UnsupportedAttribution
from worker.core.registry import Entry

Images = Float[Tensor, "batch channels height width"]


class Attributed(NamedTuple):
    """Signed attribution, per element or per pixel, and the logits of the same forward pass."""

    values: Float[Tensor, "batch *cells"]
    logits: Float[Tensor, "batch classes"]


class Attribution(Entry):
    """A per-image attribution. `target` None means: the class of the greatest logit of each noisy image itself."""

    @final
    def __call__(self, model: nn.Module, images: Images, target: int | None) -> Attributed:
        """Run the method and check its shape: [batch, channels, height, width] or [batch, height, width]."""
        attributed = self.run(model, images, target)
        batch, _, height, width = images.shape
        if attributed.values.shape not in (images.shape, (batch, height, width)):
            raise UnsupportedAttribution(
                f"{self.name} gave a map of shape {tuple(attributed.values.shape)} for images {tuple(images.shape)}; "
                "choose another attribution for this model."
            )
        return attributed

    @abstractmethod
    def run(self, model: nn.Module, images: Images, target: int | None) -> Attributed:
        """Compute the attribution of every image independently of the others in the batch."""


def score(logits: Float[Tensor, "batch classes"], target: int | None) -> Float[Tensor, " batch"]:
    """The logit that is explained: of class `target`, or of each image's own greatest logit."""
    return logits.amax(dim=1) if target is None else logits[:, target]
