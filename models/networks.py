"""The project's own small networks, and the module that puts a card's normalisation inside a network.

A card names them `surety/<name>`. All of them use batch norm (fixed numbers in eval mode, so that each image's logits
depend on that image only) and ReLU modules that are each used once and not in place, so that methods which replace
or hook activations see every one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

PREFIX = "surety/"


def _layer(channels: int, features: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, features, 3, padding=1, bias=False), nn.BatchNorm2d(features), nn.ReLU()]


def six_conv(classes: int, channels: int) -> nn.Sequential:
    """Six 3x3 convolutions in three scales and one linear layer: for images about 28 pixels wide.

    Takes [batch, channels, height, width] with height and width of at least 4; gives logits [batch, classes].
    """
    return nn.Sequential(
        *_layer(channels, 24),
        *_layer(24, 24),
        nn.MaxPool2d(2),
        *_layer(24, 48),
        *_layer(48, 48),
        nn.MaxPool2d(2),
        *_layer(48, 96),
        *_layer(96, 96),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(96, classes),
    )


def four_conv(classes: int, channels: int) -> nn.Sequential:
    """Four 3x3 convolutions in two scales and one linear layer: for images about 8 pixels wide.

    Takes [batch, channels, height, width] with height and width of at least 2; gives logits [batch, classes]. The last
    scale is averaged to 4 x 4 places, not to one: where a stroke lies is what tells one digit from another.
    """
    return nn.Sequential(
        *_layer(channels, 32),
        *_layer(32, 32),
        nn.MaxPool2d(2),
        *_layer(32, 64),
        *_layer(64, 64),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64 * 16, classes),
    )


NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    PREFIX + "six_conv": six_conv,
    PREFIX + "four_conv": four_conv,
}


class Normalised(nn.Module):
    """A network that takes [0,1] pixels: subtracts `mean` and divides by `std`, one number per channel, first.

    Takes [batch, channels, height, width]; gives what `network` gives. Pixels outside of [0,1], as noise makes them,
    are passed on, not clipped. `mean` and `std` are not part of the state dict: they belong to the card.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.network((pixels - self.mean) / self.std)
        return logits
