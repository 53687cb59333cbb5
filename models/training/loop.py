"""The training loop: cross-entropy on noisy images, the best epoch on validation kept."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional

from models.training.data import Split, Splits
from models.training.measure import SIGMAS, logits


@dataclass(frozen=True)
class Recipe:
    """What decides a training run, besides the network and the data.

    Each image of a batch gets Gaussian noise of its own deviation, uniform in [0, `sigma`] ([0,1] pixels, unclipped),
    after a shift of at most `shift` pixels and, with `flip`, a mirroring of every second image on average. With
    `balance` every class weighs the same in the loss, however rare. `rate` is the peak of a one-cycle schedule.
    Training ends after `patience` epochs without a better validation loss.
    """

    epochs: int
    seed: int
    batch: int = 64
    rate: float = 0.003
    decay: float = 0.01
    sigma: float = 0.3
    shift: int = 0
    flip: bool = False
    balance: bool = False
    patience: int = 20


def augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Shifted, mirrored and noisy copies of images [count, channels, height, width], as the recipe says."""
    count, _, height, width = images.shape
    if recipe.shift:
        padded = functional.pad(images, (recipe.shift,) * 4, mode="replicate")
        corners = torch.randint(0, 2 * recipe.shift + 1, (count, 2), generator=generator).tolist()
        windows = zip(padded, corners, strict=True)
        images = torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in windows])
    if recipe.flip:
        mirrored = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    sigmas = recipe.sigma * torch.rand(count, 1, 1, 1, generator=generator)
    return images + sigmas * torch.randn(images.shape, generator=generator)


def validation_loss(network: nn.Module, split: Split, weight: Tensor, seed: int) -> float:
    """Mean cross-entropy over the deviations that a model card states; the noise is the same in every epoch."""
    generator = torch.Generator().manual_seed(seed)
    losses = [
        functional.cross_entropy(
            logits(network, split.images + sigma * torch.randn(split.images.shape, generator=generator)),
            split.labels,
            weight,
        )
        for sigma in SIGMAS
        for _ in range(2)
    ]
    return float(torch.stack(losses).mean())


def fit(network: nn.Module, splits: Splits, recipe: Recipe) -> int:
    """Trains `network` in place, leaves it in eval mode with its best weights on validation, and gives that epoch.

    Equal recipes, data and initial weights give equal weights on the same machine with the same number of threads.
    The test split is not looked at.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    train = splits.train
    counts = torch.bincount(train.labels).float()
    weight = len(train) / (len(counts) * counts) if recipe.balance else torch.ones_like(counts)
    steps = -(-len(train) // recipe.batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, epochs=recipe.epochs, steps_per_epoch=steps)
    best, best_epoch, best_state = float("inf"), 0, copy.deepcopy(network.state_dict())
    with Progress() as progress:
        task = progress.add_task("training", total=recipe.epochs)
        for epoch in range(1, recipe.epochs + 1):
            network.train()
            for chosen in torch.split(torch.randperm(len(train), generator=generator), recipe.batch):
                optimiser.zero_grad()
                noisy = augment(train.images[chosen], recipe, generator)
                functional.cross_entropy(network(noisy), train.labels[chosen], weight).backward()  # type: ignore[no-untyped-call]  # torch's stub
                optimiser.step()
                schedule.step()
            loss = validation_loss(network, splits.validation, weight, recipe.seed)
            if loss < best:
                best, best_epoch, best_state = loss, epoch, copy.deepcopy(network.state_dict())
            progress.update(task, advance=1, description=f"validation loss {loss:.4f}, best {best:.4f} in {best_epoch}")
            if epoch - best_epoch >= recipe.patience:
                break
    network.load_state_dict(best_state)
    network.eval()
    return best_epoch
