"""Blocks of samples: noise, attribution, cells, votes, counts. The unit of work, of progress and of verification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from worker.contract.errors import DegenerateMap, ModelInTrainMode, NonFiniteLogits
from worker.contract.spec import Precision
from worker.core.attributions.base import Attributed, Attribution
from worker.core.granularities.base import Granularity, Layout
from worker.core.maps.base import Cells, SampleMap
from worker.core.noises.base import Noise, stream
from worker.core.statistics.counts import Counts

Image = Float[Tensor, "channels height width"]
# What a certificate counts over the rows of a block: (votes, logits) -> integers.
Observer = Callable[[Tensor, Tensor], ndarray]
# The noise has the sampler's lane; the randomness of attributions, one lane on, must not overlap it.
ATTRIBUTION_LANE = 1


class Clean(NamedTuple):
    """The model's answer at the image itself."""

    predicted: int
    probability: float
    classes: int


@dataclass(frozen=True)
class Sampler:
    """Draws the votes of any block, again and again the same.

    A block is one forward and backward pass over exactly `batch` noisy images. The batch is part of the question, not
    of the machine: another batch size changes the last bits of the floating-point results, and with them which of two
    nearly equal cells gets a vote. So every block is computed whole, and of the last one only the first rows count.
    """

    model: nn.Module
    image: Image
    target: int | None
    attribution: Attribution
    granularity: Granularity
    map: SampleMap
    noise: Noise
    samples: int
    seed: int
    batch: int
    precision: Precision = "float32"
    # Which random numbers: those of lane 0 give the certificate, others are independent of them.
    lane: int = 0
    observers: Mapping[str, Observer] = field(default_factory=dict)

    @property
    def blocks(self) -> int:
        return -(-self.samples // self.batch)

    @property
    def grid(self) -> tuple[int, int, int]:
        channels, height, width = self.image.shape
        return self.granularity.grid(channels, height, width)

    @property
    def layout(self) -> Layout:
        channels, height, width = self.image.shape
        return self.granularity.layout(channels, height, width)

    def empty(self) -> Counts:
        layers, rows, columns = self.grid
        return Counts.empty(layers * rows * columns, self.blocks)

    def update(self, counts: Counts, block: int) -> Counts:
        """`counts` and the votes of one more block: integers that depend on (seed, block) only."""
        return self.count(counts, block, self.attributed(block))

    def count(self, counts: Counts, block: int, attributed: Attributed) -> Counts:
        """`counts` and the votes of the block with these attributions; samplers that differ in granularity and map
        only may share them."""
        cells, logits = self.reduced(attributed)
        rows = min(self.batch, self.samples - block * self.batch)
        with torch.no_grad():
            mapped = self.map(cells)
            # A logit that is not finite leaves no class to explain, whatever its gradient says.
            lost = ~torch.isfinite(logits).all(dim=1)
            votes = (mapped.votes * ~lost[:, None])[:rows]
            degenerate = int((mapped.degenerate | lost)[:rows].sum())
            tallies = {name: observe(votes, logits[:rows]) for name, observe in self.observers.items()}
            return counts.update(block, votes.sum(dim=0).cpu().numpy(), rows, degenerate, tallies)

    def cells(self, block: int) -> tuple[Cells, Float[Tensor, "batch classes"]]:
        """The cells and logits of every noisy image of a block, before the map makes votes of them."""
        return self.reduced(self.attributed(block))

    def attributed(self, block: int) -> Attributed:
        """The attributions and logits of every noisy image of a block: what costs passes."""
        noise = self.noise.draw(self.seed, block, (self.batch, *self.image.shape), self.lane)
        images = self.image + noise.to(self.image.device)
        draws = stream(self.seed, block, self.lane + ATTRIBUTION_LANE)
        # Autocast: the network's layers in bfloat16, everything that sums or compares in float32.
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.attribution(self.model, images, self.target, draws)

    def reduced(self, attributed: Attributed) -> tuple[Cells, Float[Tensor, "batch classes"]]:
        """The attributions as cells."""
        with torch.no_grad():
            return self.granularity(attributed.values).float(), attributed.logits.float()


def predict(model: nn.Module, image: Image) -> Clean:
    """The class of the clean image. Raises ModelInTrainMode or NonFiniteLogits."""
    if any(module.training for module in model.modules()):
        raise ModelInTrainMode("Batch statistics or dropout would change the model between samples; call model.eval().")
    with torch.no_grad():
        logits = model(image[None])[0]
    if not bool(torch.isfinite(logits).all()):
        raise NonFiniteLogits(
            "The model gives NaN or infinity for this image; check its weights and that its mean and std fit."
        )
    probabilities = torch.softmax(logits.double(), dim=0)
    index = int(logits.argmax())
    return Clean(index, float(probabilities[index]), len(logits))


def reject_degenerate(counts: Counts) -> None:
    """Raise DegenerateMap if no sample had a ranking: there is nothing to show."""
    if counts.degenerate == counts.samples:
        raise DegenerateMap(
            f"The attribution was constant or not finite in all {counts.samples} samples, so no cell ranks above "
            "another; choose another attribution, class or model."
        )
