"""Small networks for handwritten digits: trained as usual, adversarially, by TRADES, and one with max pooling."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.evidence.bounds_settings import SEED, Sizes
from benchmarks.evidence.study import REPOSITORY, shared
from models.training.data import Split

# l-infinity radius of the training's attacks, and the weight of TRADES' second term.
RADIUS, WEIGHT = 0.2, 6.0
BATCH, RATE = 64, 0.001


@cache
def digits(train: int, test: int) -> tuple[Split, Split]:
    """Disjoint sets of the 9,000 images in an order drawn once: the first `train`, the last `test`. Raises Missing."""
    with np.load(shared("data/mnist9k.npz"), allow_pickle=False) as data:
        images, labels = data["images"], data["labels"]
    order = np.random.default_rng(SEED).permutation(len(labels))
    learnt, held = order[:train], order[len(order) - test :]
    return Split.from_bytes(images[learnt], labels[learnt]), Split.from_bytes(images[held], labels[held])


def network(*, pooled: bool) -> nn.Sequential:
    """Four convolutions and three linear layers, as in the paper, which gives no widths; strides or max pooling."""
    layers: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(after, after, 3, padding=1) if pooled else nn.Conv2d(after, after, 4, 2, 1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pooled else []
    head = [nn.Linear(32 * 49, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)]
    return nn.Sequential(*layers, nn.Flatten(), *head)


@cache
def trained(name: str, sizes: Sizes) -> nn.Module:
    """The network of this name, frozen. Its weights are kept under out/, so that each is trained once."""
    recipe = [name, sizes.train, sizes.epochs, sizes.inner, SEED, RADIUS, WEIGHT, BATCH, RATE]
    digest = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]
    file = REPOSITORY / "out" / "evidence-models" / f"bounds-{name}-{digest}.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = network(pooled=name == "pooled")
        if file.exists():
            model.load_state_dict(load_file(file))
        else:
            _fit(model, name, sizes)
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            save_file(model.state_dict(), part)
            part.replace(file)
    return model.eval().requires_grad_(False)


def _fit(model: nn.Module, name: str, sizes: Sizes) -> None:
    """Adam; the radius of the attacks grows to its full size over the first half of the steps."""
    train = digits(sizes.train, sizes.test)[0]
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    batches = [part for _ in range(sizes.epochs) for part in torch.split(torch.randperm(len(train)), BATCH)]
    for step, chosen in enumerate(batches):
        radius = RADIUS * min(1.0, 2 * (step + 1) / len(batches))
        loss = _loss(model, name, train.images[chosen], train.labels[chosen], radius, sizes.inner)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        optimiser.step()


def _loss(model: nn.Module, name: str, images: Tensor, labels: Tensor, radius: float, steps: int) -> Tensor:
    if name in ("standard", "pooled"):
        return functional.cross_entropy(model(images), labels)
    if name == "AT":
        moved = attacked(model, images, lambda logits: functional.cross_entropy(logits, labels), radius, steps)
        return functional.cross_entropy(model(moved), labels)
    logits = model(images)
    reference = logits.detach().softmax(dim=1)
    moved = attacked(model, images, lambda there: _divergence(there, reference), radius, steps)
    return functional.cross_entropy(logits, labels) + WEIGHT * _divergence(model(moved), logits.softmax(dim=1))


def _divergence(logits: Tensor, reference: Tensor) -> Tensor:
    return functional.kl_div(logits.log_softmax(dim=1), reference, reduction="batchmean")


def attacked(model: nn.Module, images: Tensor, loss: Callable[[Tensor], Tensor], radius: float, steps: int) -> Tensor:
    """Images moved by l-infinity PGD within `radius` and [0,1], so that the loss of their logits rises."""
    moved = (images + radius * (2 * torch.rand_like(images) - 1)).clamp(0, 1)
    for _ in range(steps):
        moved.requires_grad_()
        (slope,) = torch.autograd.grad(loss(model(moved)), moved)
        moved = (moved.detach() + 2.5 * radius / steps * slope.sign()).clamp(images - radius, images + radius)
        moved = moved.clamp(0, 1)
    return moved.detach()


def accuracy(model: nn.Module, sizes: Sizes) -> tuple[float, float]:
    """The share of the test images that are read correctly: as they are, and attacked within RADIUS."""
    test = digits(sizes.train, sizes.test)[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        moved = attacked(model, test.images, lambda there: functional.cross_entropy(there, test.labels), RADIUS, 20)
    with torch.no_grad():
        return tuple(float((model(each).argmax(1) == test.labels).float().mean()) for each in (test.images, moved))  # type: ignore[return-value]  # two
