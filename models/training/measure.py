"""How well a network classifies a split under Gaussian noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.training.data import Split, Splits
from worker.contract.model import Accuracy

SIGMAS = (0.0, 0.1, 0.15, 0.25)
DRAWS = 10
SEED = 20240


@dataclass(frozen=True)
class Measured:
    """One row of a model card. `recall` is the share of each class's images that are classified as that class."""

    split: str
    sigma: float
    images: int
    draws: int
    accuracy: float
    recall: tuple[float, ...]

    def entry(self) -> Accuracy:
        """The row as the YAML card holds it, to four places."""
        return Accuracy(split=self.split, sigma=self.sigma, value=round(self.accuracy, 4), images=self.images)


@torch.no_grad()
def logits(network: nn.Module, images: Tensor, chunk: int = 512) -> Tensor:
    """The logits [count, classes] of images [count, channels, height, width], computed in eval mode by chunks."""
    network.eval()
    return torch.cat([network(part) for part in torch.split(images, chunk)])


def measure(
    network: nn.Module, split: Split, name: str, sigma: float, draws: int = DRAWS, seed: int = SEED
) -> Measured:
    """Share of images classified correctly when Gaussian noise of deviation `sigma` ([0,1] pixels) is added, unclipped.

    The noise is drawn `draws` times per image from `seed` and the share is the mean over all of them; without noise
    one pass is enough. The same arguments give the same number on the same machine.
    """
    generator = torch.Generator().manual_seed(seed)
    passes = draws if sigma > 0.0 else 1
    right = torch.zeros(len(split))
    for _ in range(passes):
        noisy = split.images + sigma * torch.randn(split.images.shape, generator=generator)
        right += logits(network, noisy).argmax(dim=1) == split.labels
    right /= passes
    recall = tuple(float(right[split.labels == label].mean()) for label in range(int(split.labels.max()) + 1))
    return Measured(name, sigma, len(split), passes, float(right.mean()), recall)


def measure_all(network: nn.Module, splits: Splits) -> tuple[Measured, ...]:
    """All rows of a model card: validation and test, each at every deviation of `SIGMAS`."""
    named = {"validation": splits.validation, "test": splits.test}
    return tuple(measure(network, split, name, sigma) for name, split in named.items() for sigma in SIGMAS)
