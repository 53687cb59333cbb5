"""What is attacked: the maps of a batch of images, as the service computes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from worker.contract.errors import InvalidSpec
from worker.core.attributions.base import Attribution, Classes, Images
from worker.core.distances.base import Maps
from worker.core.granularities.base import Granularity
from worker.core.maps.base import SampleMap
from worker.core.noises.base import Noise, stream

# The random numbers of the search, of the choice among its moves, and of the final judgement; each has its neighbour
# for attributions that are random themselves. None are those of certificates or pilots.
SEARCH, SCREEN, JUDGE = 32, 34, 36


@dataclass(frozen=True)
class Smoothing:
    """The mean over `samples` noisy images, with noise of this law, takes the place of the image itself."""

    noise: Noise
    samples: int


@dataclass(frozen=True)
class Subject:
    """The explanation of one class at each of some images.

    granularity: None for the signed attribution itself, a cell an element. map: None for the cells as they are.
    smoothing: None for the raw explanation. batch: noisy images in one pass.
    Raises: InvalidSpec for a map of signed cells.
    """

    model: nn.Module
    images: Images
    classes: Classes
    attribution: Attribution
    granularity: Granularity | None = None
    map: SampleMap | None = None
    smoothing: Smoothing | None = None
    seed: int = 0
    batch: int = 256

    def __post_init__(self) -> None:
        if self.map is not None and self.granularity is None:
            raise InvalidSpec(f"The map {self.map.name} is of non-negative cells: name a granularity as well.")

    def repeated(self, times: int) -> Subject:
        """Every image `times` times: all of them, then all of them again."""
        return replace(self, images=self.images.repeat(times, 1, 1, 1), classes=self.classes.repeat(times))

    @cached_property
    def predicted(self) -> Classes:
        """The classes that the model predicts at the images themselves."""
        return self.predict(self.images)

    @torch.no_grad()
    def predict(self, images: Images) -> Classes:
        """The class of greatest logit of each image, without noise; -1 where a logit is not finite."""
        logits = torch.cat([self.model(part) for part in torch.split(images, self.batch)])
        return torch.where(torch.isfinite(logits).all(dim=1), logits.argmax(dim=1), -1)

    def noise(self, samples: int, lane: int) -> Iterator[Float[Tensor, "block channels height width"]]:
        """The noise of all samples, block by block: the same for every image, and in every call. None at all for the
        raw explanation: then one block of a single zero."""
        shape = tuple(self.images.shape[1:])
        if self.smoothing is None:
            yield torch.zeros((1, *shape), device=self.images.device)
            return
        for block, start in enumerate(range(0, samples, self.batch)):
            drawn = self.smoothing.noise.draw(self.seed, block, (self.batch, *shape), lane)
            yield drawn[: samples - start].to(self.images.device)

    def maps(self, images: Images, lane: int) -> Maps:
        """The explanations of moved images, row by row: the real network, attribution and map. No gradients."""
        samples = 1 if self.smoothing is None else self.smoothing.samples
        rows = torch.arange(len(images), device=images.device)
        found: dict[int, Tensor] = {}
        for label in sorted(set(self.classes.tolist())):
            for row in torch.split(rows[self.classes == label], self.batch if self.smoothing is None else 1):
                found |= zip(row.tolist(), self._mean(images[row], label, samples, lane), strict=True)
        return self.grid(torch.stack([found[row] for row in rows.tolist()]))

    def _mean(self, images: Images, label: int, samples: int, lane: int) -> Float[Tensor, "rows cells"]:
        """Of several images without noise, or of one with it."""
        blocks = []
        for block, noise in enumerate(self.noise(samples, lane)):
            draws = stream(self.seed, block, lane + 1)
            shown = self.shown(self.attribution(self.model, images + noise, label, draws).values)
            blocks.append(shown if self.smoothing is None else shown.sum(dim=0, keepdim=True))
        return torch.stack(blocks).sum(dim=0) / samples

    @torch.no_grad()
    def shown(self, values: Float[Tensor, "rows *cells"]) -> Float[Tensor, "rows cells"]:
        """One row of cells for each attribution, through the map's votes: without ranking, a sample counts as zero."""
        if self.granularity is None:
            return values.flatten(1).double()
        cells = self.granularity(values)
        return cells.double() if self.map is None else self.map(cells.float()).votes.double() / self.map.scale

    def grid(self, cells: Float[Tensor, "rows cells"]) -> Maps:
        """Rows of cells in their grid."""
        channels, height, width = self.images.shape[1:]
        if self.granularity is not None:
            return cells.reshape(len(cells), *self.granularity.grid(channels, height, width))
        return cells.reshape(len(cells), -1, height, width)

    def keeps(self, moved: Images) -> Bool[Tensor, " rows"]:
        """Whether the real network predicts for each moved image what it predicts for the image."""
        return self.predict(moved) == self.predicted
